"""What is remembered of files: as long as they have not changed, and never at the price of an error."""

import hashlib
import os

import pytest

from lect.remembered import FilesState, hash_while_unchanged, remembered_hash

LONG_AGO = 1_600_000_000


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    # The clock of the files' system cannot be set back: what was changed just now is old enough here.
    monkeypatch.setattr("lect.remembered._YOUNG", -(10**12))
    return tmp_path / "cache"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"one")
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def asked(file, answers):
    """What comes of asking, and whether it was computed."""
    computed = []

    def compute():
        computed.append(True)
        return answers

    return FilesState.of([file]).recall("answer", compute), bool(computed)


def test_it_is_computed_once(cache, file):
    assert asked(file, "first") == ("first", True)
    assert asked(file, "second") == ("first", False)
    assert FilesState.of([file]).recall("another question", lambda: "third") == "third"


@pytest.mark.parametrize("keeps_times", [False, True])
def test_a_changed_file_is_seen(cache, file, keeps_times):
    asked(file, "first")
    file.write_bytes(b"two")
    if keeps_times:
        os.utime(file, (LONG_AGO, LONG_AGO))
    assert asked(file, "second") == ("second", True)
    asked(file, "second")
    other = file.with_name("other")
    other.write_bytes(b"two")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert asked(file, "third") == ("third", True)


def test_what_changes_while_it_is_read_is_not_remembered(cache, file):
    def compute():
        file.write_bytes(b"changed meanwhile")
        return "of neither"

    assert FilesState.of([file]).recall("answer", compute) == "of neither"
    assert asked(file, "second") == ("second", True)


def test_what_was_changed_just_now_is_not_remembered(tmp_path, file, monkeypatch):
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    assert asked(file, "first") == ("first", True)
    assert asked(file, "second") == ("second", True)


@pytest.mark.parametrize("damage", ["cut", "other", "a folder"])
def test_a_damaged_note_is_written_again(cache, file, damage):
    asked(file, "first")
    (note,) = (cache / "remembered").iterdir()
    if damage == "a folder":
        note.unlink()
        note.mkdir()
    else:
        note.write_text('{"files": ' if damage == "cut" else '["other"]')
    assert asked(file, "second") == ("second", True)
    assert asked(file, "third")[1] is (damage == "a folder")


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, file, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("lect.remembered._YOUNG", -(10**12))
    assert asked(file, "first") == ("first", True)
    assert asked(file, "second") == ("second", True)


def test_the_hash_of_a_large_file_is_that_of_its_content(cache, tmp_path):
    import hashlib

    file = tmp_path / "large"
    for content in (b"a" * 5_000_000, b"b" * 5_000_000):
        file.write_bytes(content)
        expected = hashlib.sha256(content).hexdigest()
        assert [remembered_hash(file), remembered_hash(file)] == [expected, expected]


def test_a_hash_is_of_the_content_however_the_times_are_forged(cache, file, monkeypatch):
    def hashed():
        return hash_while_unchanged(file)

    first = hashed()
    assert first == hashlib.sha256(b"one").hexdigest()
    with monkeypatch.context() as patched:
        patched.setattr("lect.remembered.hash_of", lambda path: pytest.fail("is read again"))
        assert hashed() == first
    # As many bytes, in the same file, with the same time.
    file.write_bytes(b"two")
    os.utime(file, (LONG_AGO, LONG_AGO))
    assert hashed() == hashlib.sha256(b"two").hexdigest()


def test_what_was_changed_just_now_is_hashed_again(file, monkeypatch):
    monkeypatch.setattr("lect.remembered._YOUNG", 10**18)
    hash_while_unchanged(file)
    read = []
    monkeypatch.setattr("lect.remembered.hash_of", lambda path: read.append(path) or "")
    hash_while_unchanged(file)
    assert read == [file]
