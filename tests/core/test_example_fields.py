"""What is known of a row: which fields are in the data's hash, in files and in memory; a plugin's own ones, too."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from workspaces import Workspace

from lect import DataError, Example, Host, Source, Span, read_source
from lect.api.rows import examples_of
from lect.data.dataset import digest
from lect.data.stored import hold

FULL = {
    "label": "x",
    "text_pair": "second",
    "translation": "autre",
    "language": "jv",
    "key": "k1",
    "labels": ("x", "y"),
    "value": 0.5,
    "words": ("one", "row"),
    "places": ((0, 3), (4, 7)),
    "tags": ("A", "B"),
    "heads": (2, 0),
    "relations": ("dep", "root"),
    "question": "which?",
    "answers": (Span("row", 4), Span("one", None)),
    "choices": ("a", "b"),
    "negatives": ("no",),
}
NO_CONTENT = {"origin": "f.csv, line 2", "stack": "lang:a", "lines": (1, 2), "more": "{}", "lacks": (("a", "b", "c"),)}


def test_hashes_are_what_they_were():
    """Recorded before the fields were derived: manifests of trained components hold such hashes."""
    plain = [Example("one row", label="x", language="jv"), Example("two", translation="deux", key="k")]
    full = Example("one row", **FULL, **NO_CONTENT)
    each = [Example("one row", **{name: FULL[name]}) for name in FULL]
    assert digest(plain) == "08bcdb7da09579fdb7d96a66b3d14d90e195e7d35a501709bac20a17f4b5da81"
    assert digest([full]) == "6cd4a1b13b33715b3907c5c13ec39d3f4ad9293091d920852980903006fec677"
    assert digest(each) == "1b00e9d1ab5f04818d2b54621b1be393ec0b904c915982af15cfe15da19d3ebf"


def test_every_field_is_of_the_content_or_named_as_none():
    """A field that somebody adds is in the hash, unless they say here that it is not."""
    full = Example("one row", **FULL, extra={"mood": 1})
    assert {each.name for each in fields(Example)} == {"text", *FULL, *NO_CONTENT, "extra"}
    for name in ("text", *FULL, "extra"):
        value = "other" if name == "text" else None
        assert digest([replace(full, **{name: value})]) != digest([full]), name
    for name, value in NO_CONTENT.items():
        assert digest([replace(full, **{name: value})]) == digest([full]), name


def test_a_third_partys_field_is_in_the_hash_whatever_the_order_of_its_names():
    one, other = Example("x", extra={"a": 1, "b": [2, None]}), Example("x", extra={"b": [2, None], "a": 1})
    assert digest([one]) == digest([other]) != digest([Example("x", extra={"a": 1, "b": [3, None]})])
    assert len({one, other}) == 1, "rows with such fields can be told apart in sets"
    assert (one.get("extra.a"), one.get("extra.c"), one.get("label"), Example("x").get("extra.a")) == (
        1,
        None,
        None,
        None,
    )


def test_a_third_partys_field_may_be_given_in_python():
    assert [row.extra for row in examples_of([{"text": "x", "extra": {"a": 1}}, {"text": "y"}])] == [{"a": 1}, None]


def test_a_third_partys_field_lies_in_files_as_in_memory():
    rows = [Example("x", extra={"a": {"b": [1, 2.5, "c", None, True]}}), Example("y")]
    assert list(hold(rows, rows_in_memory=0)) == rows


def test_a_third_partys_field_goes_through_cleaning_and_can_be_needed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place, host = Workspace(tmp_path), Host.load(only=())
    place.write("rows.jsonl", '{"text": "one day", "extra": {"spans": [[0, 3]]}}\n{"text": "two  days"}\n')
    done = place.lect("data", "clean", "rows.jsonl", "--reader", "examples", "--output", "out.jsonl")
    assert done.exit_code == 0, done.stderr
    given, kept = (
        read_source(host, Source("examples", {"path": name}), tmp_path, "x").examples
        for name in ("rows.jsonl", "out.jsonl")
    )
    assert [row.extra for row in kept] == [row.extra for row in given] == [{"spans": [[0, 3]]}, None]
    with pytest.raises(DataError, match=r"rows.jsonl, line 2: the row has no extra.spans; name a reader that gives"):
        read_source(host, Source("examples", {"path": "rows.jsonl"}), tmp_path, "x", needs=("extra.spans",))
