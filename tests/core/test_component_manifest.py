"""``component.toml``: written, read back, and refused where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.errors import ComponentError
from lect.storage.manifest import (
    BackboneEntry,
    DataEntry,
    HeadEntry,
    Manifest,
    MixedEntry,
    PartEntry,
    RequirementEntry,
    ResultEntry,
    TrainingEntry,
    manifest_of,
    manifest_text,
    read_manifest,
)
from lect.toml import parse_toml

TEXT = f"""\
schema = 1
name = "jav"
role = "lang"
languages = ["jav"]
licence = "CC-BY-SA-4.0 OR LicenseRef-own"

[backbone]
name = "tiny"
identity = "org/tiny"
fingerprint = "{"a" * 64}"
hidden_size = 8

[[parts]]
method = "vocabulary"

[[parts]]
method = "bottleneck"
config = {{reduction = 16}}
"""

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)
WORD = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,8}", fullmatch=True).filter(lambda word: word != "head")
DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
COUNT = st.integers(0, 2**40)
NUMBER = st.floats(allow_nan=False, allow_infinity=False)
CONFIG = st.dictionaries(
    ANY,
    st.recursive(
        ANY | NUMBER | COUNT | st.booleans(),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(ANY, inner, max_size=2),
        max_leaves=4,
    ),
    max_size=2,
)
MAYBE = st.none() | NUMBER
MANIFESTS = st.builds(
    Manifest,
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,8}", fullmatch=True),
    version=st.sampled_from(["1.0.0", "2", "0.1rc1"]),
    role=st.just("task"),
    languages=st.lists(st.sampled_from(["jav", "ff-Adlm", "nqo"]), max_size=2).map(tuple),
    licence=st.sampled_from(["", "Apache-2.0", "MIT OR CC-BY-4.0"]),
    summary=LINE,
    stack=st.sampled_from(["", "lang:jav", '"./a b"']),
    own_tokenizer=st.booleans(),
    backbone=st.builds(
        BackboneEntry,
        name=ANY.filter(bool),
        identity=ANY,
        revision=st.none() | ANY,
        fingerprint=DIGEST,
        hidden_size=st.integers(1, 10_000),
    ),
    parts=st.lists(
        st.builds(PartEntry, method=WORD, config=CONFIG), min_size=1, max_size=2, unique_by=lambda part: part.method
    ).map(tuple),
    head=st.none()
    | st.builds(HeadEntry, kind=LINE.filter(bool), config=CONFIG, labels=st.lists(ANY, max_size=3).map(tuple)),
    requires=st.lists(st.builds(RequirementEntry, distribution=LINE.filter(bool), version=LINE), max_size=2).map(tuple),
    training=st.none()
    | st.builds(
        TrainingEntry,
        objective=ANY,
        data=st.lists(st.builds(DataEntry, source=ANY, sha256=DIGEST, rows=COUNT, licence=LINE), max_size=2).map(tuple),
        steps=COUNT,
        epochs=st.none() | COUNT,
        seed=COUNT,
        seconds=st.floats(0, 1e9),
        hardware=ANY,
        examples=COUNT,
        recipe=ANY | st.just('[a]\nb = """\nc\\"""\n'),
        mixed=st.none() | st.builds(MixedEntry, beside=st.lists(ANY, max_size=2).map(tuple), rows=COUNT, recipe=ANY),
    ),
    results=st.lists(
        st.builds(
            ResultEntry, metric=ANY.filter(bool), value=NUMBER, low=MAYBE, high=MAYBE, without=MAYBE, dataset=ANY
        ),
        max_size=2,
    ).map(tuple),
)


@given(MANIFESTS)
def test_what_is_written_reads_back_equal(manifest: Manifest) -> None:
    again = manifest_of(parse_toml(manifest_text(manifest), ComponentError, where="text"), where="text")
    assert again == manifest


def refusal(tmp_path: Path, content: str | bytes) -> str:
    file = tmp_path / "component.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ComponentError) as caught:
        read_manifest(file)
    shown = str(caught.value)
    assert "\n" not in shown
    assert shown.startswith(str(file))
    return shown.removeprefix(str(file))


def test_a_manifest_written_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "component.toml"
    file.write_text(TEXT)
    manifest = read_manifest(file)
    assert (manifest.key, manifest.version, manifest.methods) == ("lang:jav", "1.0.0", ("vocabulary", "bottleneck"))
    assert manifest.parts[1].config == {"reduction": 16}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 1", "schema = 2", ": is of schema 2, and this lect reads schema 1; upgrade lect"),
        ("schema = 1", 'schema = "1"', ": says no schema; add schema = 1"),
        ("schema = 1", "schema = true", ": says no schema"),
        ("schema = 1\n", "", ": says no schema"),
        ("languages =", "langauges =", ', langauges: unknown field "langauges"; did you mean "languages"?'),
        ("hidden_size", "hidden_sise", ', backbone.hidden_sise: unknown field "hidden_sise"; did'),
        ('name = "jav"', 'name = "../jav"', ", name: should be a name of at most 100 characters"),
        ('name = "jav"', 'name = "jav\\n"', ", name: should be a name"),
        ('role = "lang"', 'role = "verb"', ", role: input should be 'lang' or 'task', not 'verb'"),
        ('role = "lang"', 'role = "lang"\nversion = "new"', ", version: should be a version such as 1.0.0, not 'new'"),
        ('role = "lang"', 'role = "lang"\nversion = "1+local"', ", version: should be a version"),
        ('role = "lang"', 'role = "lang"\nstack = "lang"', ", stack: should be a stack (column 1: expected a part"),
        ('role = "lang"', 'role = "lang"\nsummary = "\\u001b[31m"', ", summary: should be one line without control"),
        ('["jav"]', '["jav", "no such"]', ", languages[1]: should be a language tag"),
        ('"CC-BY-SA-4.0 OR', '"CC-BYE OR', ", licence: should be an SPDX expression"),
        ("a" * 64, "a" * 63, ", backbone.fingerprint: string should match pattern"),
        ("hidden_size = 8", 'hidden_size = "8"', ", backbone.hidden_size: input should be a valid integer"),
        ('"bottleneck"', '"vocabulary"', ', parts: the method "vocabulary" is there twice'),
        ('"bottleneck"', '"head"', ', parts[1].method: a method cannot be called "head"'),
        ('"bottleneck"', '"a.b"', ", parts[1].method: string should match pattern"),
        ("[backbone]", "[backbone", ", line 7, column 10: not valid TOML"),
        ("[backbone]", '[head]\nkind = "x"\n\n[backbone]', ', head: a component of role "lang" has no head'),
    ],
)
def test_mistakes_are_located(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in TEXT
    assert refusal(tmp_path, TEXT.replace(old, new, 1)).startswith(message)


def test_neither_parts_nor_head(tmp_path: Path) -> None:
    assert "has neither parts nor a head" in refusal(tmp_path, TEXT[: TEXT.index("[[parts]]")])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = " + b"[" * 400_000, "nested deeper than"),
        (b".".join([b"a"] * 400_000) + b" = 1", "nested deeper than"),
        (b"x = " + b"{a=" * 200_000, "nested deeper than"),
        (b".".join([b'"a"'] * 200_000) + b" = 1", "nested deeper than"),
        (b"[" + b".".join([b"a"] * 400_000) + b"]", "nested deeper than"),
        (b"x = " + b"9" * 900_000, "has too many digits"),
        (b"schema = 0x" + b"f" * 900_000, "an integer does not fit 64 bits"),
        (b"#" * 1_000_001, "is larger than 1,000,000 bytes"),
        (b"schema = 1\n\xff", ", line 2: is not UTF-8"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bombs_are_refused_at_once(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in refusal(tmp_path, content)


def test_numbers_that_are_none_are_refused() -> None:
    more: dict[str, Any] = {"metric": "f1", "dataset": "d"}
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite"):
            ResultEntry(value=value, **more)
