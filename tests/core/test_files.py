import errno
import os
import stat
from pathlib import Path

import pytest

from lect.cache import cache_folder, data_folder
from lect.errors import UserError
from lect.files import file_aside, folder_aside, try_folder, write_aside


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fill_the_disk(monkeypatch):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.mark.parametrize("content", ["größe\n", b"\x00\xff"])
def test_a_file_is_written_with_its_folders(tmp_path, content):
    path = tmp_path / "new" / "file"
    write_aside(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert names(path.parent) == ["file"]


def test_a_written_file_has_the_rights_any_new_file_has(tmp_path):
    (tmp_path / "plain").write_text("")
    write_aside(tmp_path / "aside", "")
    assert stat.S_IMODE((tmp_path / "aside").stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_files_in_a_folder_have_the_rights_any_new_file_has(tmp_path):
    (tmp_path / "plain").write_text("")
    with folder_aside(tmp_path / "part") as aside:
        (aside / "private").touch(mode=0o600)
    assert (tmp_path / "part" / "private").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("before")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_aside(tmp_path / "link", "after")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "after"


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    path.write_text("before")
    fill_the_disk(monkeypatch)
    with pytest.raises(
        UserError, match=r"report\.json: the disk is full \([\d,.]+ MB free\); free some space"
    ) as caught:
        write_aside(path, "after")
    assert "\n" not in str(caught.value)
    assert path.read_text() == "before"
    assert names(tmp_path) == ["report.json"]


def test_a_folder_in_the_way_of_a_file_is_named(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(UserError, match=r"taken: it cannot be written \(is a directory\)"):
        write_aside(tmp_path / "taken", "text")
    assert names(tmp_path) == ["taken"]


def test_a_folder_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "part"
    with folder_aside(path) as aside:
        (aside / "weights").write_text("w")
        assert aside.parent == path.parent
        assert not path.exists()
    assert names(path) == ["weights"]
    assert names(path.parent) == ["part"]


def test_a_folder_replaces_the_one_that_stood_there(tmp_path):
    path = tmp_path / "part"
    path.mkdir()
    (path / "old").write_text("old")
    with folder_aside(path) as aside:
        (aside / "new").write_text("new")
        assert names(path) == ["old"]
    assert names(path) == ["new"]
    assert names(tmp_path) == ["part"]


@pytest.mark.parametrize("failure", [ValueError("no"), KeyboardInterrupt()])
def test_a_failed_block_leaves_everything_as_it_was(tmp_path, failure):
    path = tmp_path / "part"
    path.mkdir()
    (path / "old").write_text("old")
    with pytest.raises(type(failure)), folder_aside(path) as aside:
        (aside / "new").write_text("new")
        raise failure
    assert names(path) == ["old"]
    assert names(tmp_path) == ["part"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_folder_that_is_replaced_is_never_missing(tmp_path, monkeypatch, at_once):
    path, seen = tmp_path / "part", []
    path.mkdir()
    (path / "old").write_text("old")
    if not at_once:
        # As on a file system that cannot exchange two folders.
        monkeypatch.setattr("lect.files.exchange", lambda first, second: False)
    rename = Path.rename

    def watched(self, target):
        found = rename(self, target)
        seen.append(path.exists())
        return found

    monkeypatch.setattr(Path, "rename", watched)
    with folder_aside(path) as aside:
        (aside / "new").write_text("new")
    assert all(seen) is at_once
    assert names(path) == ["new"]
    assert names(tmp_path) == ["part"]


def test_a_failed_exchange_brings_the_old_folder_back(tmp_path, monkeypatch):
    path = tmp_path / "part"
    path.mkdir()
    (path / "old").write_text("old")
    rename = Path.rename

    def fail_second(self, target):
        if "partial" in self.name and not path.exists():
            raise PermissionError(errno.EACCES, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr("lect.files.exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", fail_second)
    with (
        pytest.raises(UserError, match=r"part: it cannot be written \(permission denied\)"),
        folder_aside(path) as aside,
    ):
        (aside / "new").write_text("new")
    assert names(path) == ["old"]
    assert names(tmp_path) == ["part"]


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_disk_that_runs_full_in_the_block_is_said_in_one_line(tmp_path, error):
    with (
        pytest.raises(UserError, match=r"part: the disk is full \([\d,.]+ MB free\)") as caught,
        folder_aside(tmp_path / "part"),
    ):
        raise error
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_an_errors_own_message_passes_through(tmp_path):
    with pytest.raises(UserError, match=r"^mine$"), folder_aside(tmp_path / "part"):
        raise UserError("mine")


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path):
    (tmp_path / "part").write_text("mine")
    with pytest.raises(UserError, match="part: a file is in the way of a folder"), folder_aside(tmp_path / "part"):
        pass
    assert (tmp_path / "part").read_text() == "mine"


def test_a_place_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "part"
    with pytest.raises(UserError, match=r"part: it cannot be written \(.*file is a file, not a folder\)"):
        write_aside(place, "")
    with pytest.raises(UserError, match=r"file is a file, not a folder"), folder_aside(place):
        pass


def test_folders_follow_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "c"))
    monkeypatch.setenv("LECT_HOME", "~/h")
    assert cache_folder() == tmp_path / "c"
    assert data_folder() == Path.home() / "h"
    monkeypatch.setenv("LECT_CACHE", "")
    monkeypatch.delenv("LECT_HOME")
    assert cache_folder().name == "lect"
    assert cache_folder() != data_folder()
    assert not (tmp_path / "c").exists()


def test_what_killed_writers_left_is_swept_by_the_next_and_never_what_one_that_lives_writes(tmp_path):
    path = tmp_path / "part"
    killed = tmp_path / ".part.0123456789ab.partial"
    (killed / "deep").mkdir(parents=True)
    others = [".part.mine.partial", ".other.0123456789ab.partial", ".part.x.0123456789ab.partial"]
    for name in others:
        (tmp_path / name).write_text("not of this path, or not of lect")
    with folder_aside(path) as living:
        assert not killed.exists()
        (living / "weights").write_text("w")
        with folder_aside(path) as second:
            (second / "weights").write_text("second")
        assert living.exists()
    assert names(path) == ["weights"]
    assert (path / "weights").read_text() == "w"
    assert names(tmp_path) == sorted(["part", *others])

    (tmp_path / ".file.0123456789ab.partial").write_text("half")
    with file_aside(tmp_path / "file") as living_file:
        living_file.write(b"first")
        write_aside(tmp_path / "file", "second")
    assert (tmp_path / "file").read_text() == "first"
    assert names(tmp_path) == sorted(["file", "part", *others])


def test_a_folder_that_was_lost_between_two_renames_is_brought_back(tmp_path):
    path, former = tmp_path / "part", tmp_path / ".part.0123456789ab.former"
    former.mkdir()
    (former / "old").write_text("old")
    (tmp_path / ".part.ba9876543210.partial").mkdir()
    with pytest.raises(ValueError, match="no"), folder_aside(path):
        assert names(path) == ["old"]
        raise ValueError("no")
    assert names(path) == ["old"]
    assert names(tmp_path) == ["part"]


def test_a_place_is_tried_before(tmp_path):
    try_folder(tmp_path / "new" / "part", size=10)
    assert names(tmp_path) == []
    with pytest.raises(UserError, match=r"part: the disk has too little room \([\d,.]+ MB free, [\d,.]+ MB needed\)"):
        try_folder(tmp_path / "part", size=2**60)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file, not a folder"):
        try_folder(tmp_path / "file" / "part")
