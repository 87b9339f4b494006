"""Components found by name, listed, and shown by ``lect components``."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lect.composition.stack import PathReference, Reference, parse_stack
from lect.errors import ComponentError, UserError
from lect.storage.library import Library
from lect.storage.manifest import (
    BackboneEntry,
    DataEntry,
    HeadEntry,
    Manifest,
    PartEntry,
    RequirementEntry,
    ResultEntry,
    TrainingEntry,
)
from lect.storage.store import write_component


def put(folder: Path, role: Any, name: str, version: str = "1.0.0", **more: Any) -> Path:
    manifest = Manifest(
        name=name,
        role=role,
        version=version,
        languages=("jav",) if role == "lang" else (),
        backbone=BackboneEntry(name="tiny", identity="org/tiny", fingerprint="a" * 64, hidden_size=8),
        parts=(PartEntry(method="bottleneck", config={"reduction": 2}),),
        head=HeadEntry(kind="classification", labels=("no", "[red]yes")) if role == "task" else None,
        **more,
    )
    return write_component(folder / role / name, manifest, {"bottleneck.a": torch.ones(3)}, None, "# card\n")


@pytest.fixture
def library(tmp_path: Path) -> Library:
    here, home = tmp_path / "here", tmp_path / "home"
    put(here, "lang", "jav", "2.0.0")
    put(here, "task", "topic")
    put(home, "lang", "jav")
    put(home, "lang", "sun")
    return Library((here, home))


def test_its_state_is_another_when_a_component_came_went_or_was_replaced(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lect.storage import library as module

    # As if the clock had gone on.
    monkeypatch.setattr(module, "_SAME_TIME", 0)
    states = [(library.state(), library.state(files=True))]
    assert (library.state(), library.state(files=True)) == states[0]

    def changed() -> tuple[bool, bool]:
        states.append((library.state(), library.state(files=True)))
        return states[-1][0] != states[-2][0], states[-1][1] != states[-2][1]

    put(library.folders[1], "lang", "ban")
    assert changed() == (True, True)
    put(library.folders[1], "lang", "ban", "3.0.0")
    assert changed() == (True, True)
    manifest = library.folders[1] / "lang" / "ban" / "component.toml"
    manifest.write_text(manifest.read_text("utf-8") + "\n", "utf-8")
    assert changed() == (False, True)
    (manifest.parent / "languages.safetensors").write_bytes(b"")
    assert changed() == (False, True)
    shutil.rmtree(manifest.parent)
    assert changed() == (True, True)


def test_its_state_is_like_no_other_right_after_a_change(library: Library) -> None:
    put(library.folders[0], "lang", "ban")
    assert library.state() != library.state()
    assert library.state() not in (library.state(), None)


def refusal(library: Library, text: str) -> str:
    with pytest.raises(ComponentError) as caught:
        library.find(parse_stack(text).parts[0])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_first_folder_goes_first(library: Library) -> None:
    here, home = library.folders
    assert library.find(Reference("lang", "jav")) == here / "lang" / "jav"
    assert library.find(Reference("lang", "sun")) == home / "lang" / "sun"
    assert library.save_folder("task", "new") == here / "task" / "new"


def test_a_version_is_looked_for_in_every_folder(library: Library) -> None:
    here, home = library.folders
    assert library.find(Reference("lang", "jav", "1.0")) == home / "lang" / "jav"
    assert library.find(Reference("lang", "jav", "2")) == here / "lang" / "jav"
    assert 'there is "lang:jav" only in version 2.0.0, 1.0.0, not 3.0; write "lang:jav@2.0.0"' in refusal(
        library, "lang:jav@3.0"
    )


def test_unknown_names_show_the_nearest_and_the_places(library: Library) -> None:
    here, home = library.folders
    message = refusal(library, "lang:jva")
    where, fix = f"{here}, {home}", 'did you mean "lang:jav"? or try: lect pull lang:jva'
    assert message == f'{where}: there is no component "lang:jva"; {fix}'
    assert "; try: lect pull lang:jav" in refusal(Library((here / "empty",)), "lang:jav")


def test_a_component_by_its_path(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    here, home = library.folders
    assert library.find(PathReference(str(home / "lang" / "sun"))) == home / "lang" / "sun"
    monkeypatch.chdir(here)
    monkeypatch.setenv("HOME", str(home))
    assert library.find(PathReference("./lang/jav")) == Path("lang/jav")
    assert library.find(PathReference("~/lang/sun")) == home / "lang" / "sun"
    assert refusal(library, "./lang/jva") == 'lang/jva: there is no such folder; did you mean "jav"?'
    assert "is a file, not a component's folder" in refusal(library, "./lang/jav/README.md")


def test_the_default_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LECT_HOME", str(tmp_path))
    assert Library.default().folders == (Path("components"), tmp_path / "components")


def test_listing_shows_broken_ones_and_skips_what_is_unfinished(library: Library) -> None:
    here, _ = library.folders
    (here / "lang" / "bad").mkdir()
    (here / "lang" / ".jav.0123.partial").mkdir()
    (here / "lang" / "note.txt").write_text("a note")
    (here / "notes").mkdir()
    listings = library.all()
    assert [listing.key for listing in listings] == ["lang:bad", "lang:jav", "lang:jav", "lang:sun", "task:topic"]
    assert [listing.shadowed for listing in listings] == [False, False, True, False, False]
    assert listings[0].manifest is None
    assert "there is no component.toml" in (listings[0].error or "")
    assert all(listing.size > 0 for listing in listings[1:])


def test_a_component_that_cannot_be_read_stands_in_the_list_as_broken(library: Library) -> None:
    here, _ = library.folders
    for name in ("loop", "self", "bytes"):
        put(here, "lang", name)
    (here / "lang/loop/component.toml").unlink()
    (here / "lang/loop/component.toml").symlink_to("component.toml")
    shutil.rmtree(here / "lang/self")
    (here / "lang/self").symlink_to(here / "lang/self")
    (here / "lang/bytes/component.toml").write_bytes(b"\xff\xfe")
    broken = {listing.name: listing.error or "" for listing in library.all() if listing.manifest is None}
    assert sorted(broken) == ["bytes", "loop"]
    assert "there is no component.toml" in broken["loop"] and "is not UTF-8" in broken["bytes"]


def test_a_component_without_rights_stands_in_the_list_as_broken(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = library.folders
    hidden, look = here / "lang" / "jav", os.lstat

    def lstat(path: Any, **more: Any) -> os.stat_result:
        # As for a user who may not look into the folder.
        if Path(path).parent == hidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return look(path, **more)

    monkeypatch.setattr(os, "lstat", lstat)
    [broken] = [listing for listing in library.all() if listing.manifest is None]
    assert broken.folder == hidden
    assert broken.error == f"{hidden}/component.toml: cannot be read (permission denied); mend its rights"


def test_a_library_is_looked_through_once_however_many_components_it_holds(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, _ = library.folders
    for number in range(50):
        (here / "lang" / f"part-{number}@1.0.0").mkdir()
    looked, scan = [], os.scandir

    def scandir(path: Any) -> Any:
        looked.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert len(library.all()) == 54
    assert len(looked) <= 2 * 4


def test_a_large_library_is_listed_from_what_was_read_before_and_as_it_is_now(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lect.storage import manifests_read as module

    monkeypatch.setenv("LECT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_WORTH_KEEPING", 1)
    first, parsed, parse = library.all(), [], module.read_folder_manifest

    def read(folder: Path) -> Manifest:
        parsed.append(folder)
        return parse(folder)

    monkeypatch.setattr(module, "read_folder_manifest", read)
    assert library.all() == first
    assert parsed == []
    here, home = library.folders
    put(home, "lang", "sun", "3.0.0")
    shutil.rmtree(here / "task/topic")
    put(here, "task", "new")
    again = library.all()
    assert [listing.reference for listing in again if not listing.shadowed] == ["lang:jav", "lang:sun", "task:new"]
    assert next(listing.manifest.version for listing in again if listing.name == "sun" and listing.manifest) == "3.0.0"
    assert parsed == [here / "task/new", home / "lang/sun"]
    # A cache that was cut off is none.
    for file in (tmp_path / "cache/libraries").iterdir():
        file.write_bytes(file.read_bytes()[:100])
    assert library.all() == again


def test_what_was_lost_between_two_renames_is_found_again(library: Library) -> None:
    here, home = library.folders
    (home / "lang/sun").rename(home / "lang/.sun.0123456789ab.former")
    assert library.find(Reference("lang", "sun")) == home / "lang" / "sun"
    (here / "task/topic").rename(here / "task/.topic.0123456789ab.former")
    assert [listing.key for listing in library.all()] == ["lang:jav", "lang:jav", "lang:sun", "task:topic"]


# ---------------------------------------------------------------------------------------------------- the command


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    from lect.commands.app import app

    app(["components", *arguments], standalone_mode=False)
    return capsys.readouterr().out


def test_the_table_fits_80_columns(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    here, _ = library.folders
    (here / "lang" / "bad").mkdir()
    shown = run(capsys, "--folder", str(here))
    table = [line for line in shown.splitlines() if not line.startswith("lang:bad: ")]
    assert max(map(len, table)) <= 80
    row = next(line for line in table if line.startswith("lang:jav"))
    assert row.split()[:5] == ["lang:jav", "2.0.0", "jav", "tiny", "bottleneck"]
    assert "broken" in shown
    assert "there is no component.toml in it" in shown
    assert "lang:" not in run(capsys, "--folder", str(here), "--role", "task")


def test_the_listing_as_json(library: Library, capsys: pytest.CaptureFixture[str]) -> None:
    here, _ = library.folders
    records = json.loads(run(capsys, "--folder", str(here), "--json", "--role", "task"))
    assert [record["component"] for record in records] == ["task:topic"]
    assert records[0]["parts"] == ["bottleneck"]
    assert records[0]["head"] == "classification"
    assert records[0]["error"] is None


def test_an_empty_library_says_where_it_looked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"No components in {tmp_path}. Train one with: lect train RECIPE" in run(capsys, "--folder", str(tmp_path))
    assert json.loads(run(capsys, "--folder", str(tmp_path), "--json")) == []


def test_show_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(
        tmp_path,
        "task",
        "topic",
        summary="what a text is about",
        requires=(RequirementEntry(distribution="lect-language", version="0.1.0"),),
        training=TrainingEntry(
            objective="supervised",
            data=(DataEntry(source="csv: a\x1b[31m.csv", rows=1500),),
            steps=10,
            seed=3,
            seconds=61.0,
            examples=1500,
        ),
        results=(ResultEntry(metric="f1 macro", value=0.71234, without=0.5, dataset="validation"),),
    )
    shown = run(capsys, "show", "task:topic", "--folder", str(tmp_path))
    for text in ("task:topic 1.0.0", "what a text is about", "reduction = 2", "no, [red]yes", "a" * 40, "1,500 rows"):
        assert text in shown
    assert "10 steps, 61 s, seed 3" in shown
    assert "0.7123" in shown
    assert "\x1b" not in shown
    record = json.loads(run(capsys, "--json", "--folder", str(tmp_path), "show", "task:topic"))
    assert record["name"] == "topic"
    assert record["training"]["seed"] == 3
    assert record["tensors"] == 1


def test_show_finds_broken_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = put(tmp_path, "lang", "jav")
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ComponentError, match="is cut short"):
        run(capsys, "show", str(folder))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "lang:a + lang:b"], "this names 2 components, not one"),
        (["show", ""], "this names 0 components, not one"),
        (["show", "jav"], 'write "lang:jav" or "task:jav", or "./jav" for a folder'),
        (["--role", "lng"], '--role: there is no role "lng"; did you mean "lang"?'),
        (["--folder", "./nowhere"], "nowhere: there is no such folder"),
    ],
)
def test_mistakes(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    with pytest.raises(UserError) as caught:
        run(capsys, *arguments)
    assert message in str(caught.value)


def test_what_is_to_be_removed_and_is_not_there_is_nothing_to_fetch(library: Library) -> None:
    from lect.commands.keeping import remove

    for reference in ("lang:jaw", "lang:nothing", "task:topic@9.0.0"):
        with pytest.raises(UserError) as caught:
            remove([reference], components=library.folders[0])
        assert "lect pull" not in str(caught.value)
