"""The readers of CSV, TSV and JSON lines: what they give, and what they say of what is broken."""

import csv
import gzip
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from lect import Example
from lect.builtins.readers import READERS
from lect.errors import DataError

SPECS = {spec.name: spec for spec in READERS}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def read(reader: str, folder: Path, content: str | bytes | None = None, **options: object) -> list[Example]:
    options.setdefault("path", f"data.{reader}")
    if content is not None:
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / str(options["path"])).write_bytes(raw)
    spec = SPECS[reader]
    return list(spec.read(spec.config(**options), folder))


def refusal(reader: str, folder: Path, content: str | bytes | None = None, **options: object) -> str:
    with pytest.raises(DataError) as refused:
        read(reader, folder, content, **options)
    message = str(refused.value)
    assert "\n" not in message
    return message


def test_every_column_becomes_its_field_with_its_line(tmp_path):
    content = "id,text,other,label,english\n7,Apa kabar?,x,positive,How are you?\n"
    assert read(
        "csv", tmp_path, content, label="label", text_pair="other", translation="english", key="id", language="ind"
    ) == [Example("Apa kabar?", "positive", "x", "How are you?", "id", "7", "data.csv, line 2")]


def test_quoted_fields_hold_delimiters_marks_and_line_ends(tmp_path):
    content = '\ufefftext,label\r\n"a, ""b""\r\nc",one\r\n\r\n5" disk,"two"\r\n'
    rows = read("csv", tmp_path, content, label="label")
    assert [(row.text, row.label, row.origin) for row in rows] == [
        ('a, "b"\r\nc', "one", "data.csv, line 2"),
        ('5" disk', "two", "data.csv, line 5"),
    ]


def test_another_delimiter(tmp_path):
    assert read("csv", tmp_path, 'text;label\n"a;b,c";d\n', delimiter=";")[0].text == "a;b,c"
    with pytest.raises(ValidationError):
        SPECS["csv"].config(path="x", delimiter='"')


def test_tsv_takes_quotation_marks_as_they_are(tmp_path):
    rows = read("tsv", tmp_path, 'tweet\tlabel\n"open\tpositive\nsays ""x""\tneutral\n', text="tweet", label="label")
    assert [row.text for row in rows] == ['"open', 'says ""x""']


def test_a_column_without_a_name(tmp_path):
    row = read("csv", tmp_path, ",english,javanese\n0,hello,halo\n", text="javanese", translation="english", key="")[0]
    assert (row.text, row.translation, row.key) == ("halo", "hello", "0")


def test_json_lines_and_numeric_labels(tmp_path):
    content = '{"text": "a\\u2028b", "label": 1, "more": [1]}\n\n{"label": 0, "text": "c"}\n'
    rows = read("jsonl", tmp_path, content, label="label")
    assert [(row.text, row.label, row.origin) for row in rows] == [
        ("a\u2028b", "1", "data.jsonl, line 1"),
        ("c", "0", "data.jsonl, line 3"),
    ]


def test_several_files_and_a_limit(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"text\n{name}1\n{name}2\n")
    rows = read("csv", tmp_path, path=["a.csv", "b.csv"], limit=3)
    assert [row.text for row in rows] == ["a1", "a2", "b1"]
    assert rows[-1].origin == "b.csv, line 2"


def test_a_row_of_100000_characters_and_more(tmp_path):
    for length in (100_000, 300_000):
        content = f'text,label\n"{"x" * length}",y\n'
        assert len(read("csv", tmp_path, content)[0].text) == length
        assert len(read("jsonl", tmp_path, json.dumps({"text": "x" * length}))[0].text) == length


def test_rows_are_streamed(tmp_path):
    (tmp_path / "data.csv").write_bytes(b"text\nfirst\n\xff\n")
    rows = SPECS["csv"].read(SPECS["csv"].config(path="data.csv"), tmp_path)
    assert next(iter(rows)).text == "first"


def test_empty_texts_are_refused_or_left_out(tmp_path):
    content = "text,label\na,x\n  ,y\nb,x\n"
    message = refusal("csv", tmp_path, content)
    assert message == 'data.csv, line 3: the column "text" is empty; fill it in or set skip_empty = true'
    assert [row.text for row in read("csv", tmp_path, content, skip_empty=True)] == ["a", "b"]
    assert "has no rows with a text" in refusal("csv", tmp_path, "text,label\n ,y\n", skip_empty=True)


def test_rows_with_an_empty_key_share_none(tmp_path):
    assert [row.key for row in read("csv", tmp_path, "text,id\na,\nb,2\n", key="id")] == [None, "2"]


@pytest.mark.parametrize(
    ("reader", "content", "options", "said"),
    [
        ("csv", "text,label\na,b\n", {"text": "txt"}, 'data.csv, line 1: no column "txt" (columns: text, label); did'),
        ("csv", "a,b\n1,2\n", {}, "set text to one of them"),
        ("csv", "text;label\na;b\n", {"delimiter": ","}, 'is the delimiter ";"?'),
        ("csv", "tweet;label\na;b\n", {}, 'is the delimiter ";"?'),
        ("csv", "text\tlabel\na, b\tc\n", {"delimiter": ","}, 'is the delimiter "\\t"?'),
        ("csv", "Halo dunia\nHai\n", {}, "or read a file without a header with the reader text"),
        ("csv", "text,label\na,b,c\n", {}, "data.csv, line 2: 3 fields, more than the header's 2; put a field"),
        ("csv", "text,label\na\n", {}, "data.csv, line 2: 1 field, fewer than the header's 2"),
        ("csv", "text,text\na,b\n", {}, 'line 1: two columns are named "text"'),
        ("csv", 'text,label\n"a\nb\nc,d\n', {}, "data.csv, line 2: the quotation mark that opens a field is never"),
        ("csv", 'text,label\n"a\n"b,c\n', {}, "data.csv, line 3: 'b,c' follows a closing quotation mark"),
        ("csv", "text,la\rbel\na,b\n", {}, "line 1: a carriage return inside a field"),
        ("csv", "text,label\na,b\rc,d\n", {}, "line 2: a carriage return inside a field"),
        ("csv", "text,label\na,good\n", {"label": "label", "labels": ["goods", "bad"]}, 'line 2: unknown label "good"'),
        ("csv", "text,label\na,\n", {"label": "label"}, 'data.csv, line 2: the column "label" is empty'),
        ("csv", b"text\nok\nb\xffd\n", {}, "data.csv, line 3: invalid UTF-8: byte 0xff at position 2 of the line"),
        ("csv", b'text\n"a\nb' + b"\xc3", {}, "data.csv, line 3: invalid UTF-8"),
        ("csv", "text\na\n".encode("utf-16"), {}, "line 1: the file is in UTF-16"),
        ("csv", b"text\na\0b\n", {}, "data.csv, line 2: a NUL byte"),
        ("csv", "", {}, "data.csv: the file is empty"),
        ("csv", "text\n", {}, "data.csv: the file has no rows"),
        ("tsv", "text\tlabel\na\tb\tc\n", {}, "data.tsv, line 2: 3 fields, more than the header's 2; take tabs"),
        ("jsonl", "", {}, "data.jsonl: the file is empty"),
        ("jsonl", '{"text": "a"}\n{"text": \n', {}, "data.jsonl, line 2: not JSON: Expecting value at column"),
        ("jsonl", '{"text": "a"}\n[1]\n', {}, "data.jsonl, line 2: the line holds a list, not an object"),
        ("jsonl", '[{"text": "a"},\n 1]\n', {}, "data.jsonl, line 2: the entry holds a number, not an object"),
        ("jsonl", '[{"text": "a"}\n {}]', {}, "data.jsonl, line 2: not JSON: neither a comma nor the end"),
        ("jsonl", '[{"text": "a"},\n {"b": ]', {}, "data.jsonl, line 2: not JSON: Expecting value"),
        ("jsonl", '[{"text": "a"}]\n{}', {}, "data.jsonl, line 2: something follows the list"),
        ("jsonl", '{"text":"a","label":"x","text":"b"}\n', {}, 'line 1: an object has the key "text" twice; take one'),
        ("jsonl", '{"text":"a"}\n{"text":"b","c":{"d":1,"d":2}}', {}, 'line 2: an object has the key "d" twice'),
        ("jsonl", '[{"text":"a"},\n{"text":"b","text":"c"}]', {}, 'line 2: an object has the key "text" twice'),
        ("jsonl", '{"tokens": ["a"]}\n', {}, 'set words = "tokens"'),
        ("jsonl", '{"w": ["a", "b"], "t": ["O"]}\n', {"words": "w", "tags": "t"}, "line 1: 1 tags for 2 words"),
        ("jsonl", '{"w": ["a"], "t": [0]}\n', {"words": "w", "tags": "t"}, 'with labels = ["O", "B-PER", …]'),
        (
            "jsonl",
            '{"w": ["a"], "t": [3]}\n',
            {"words": "w", "tags": "t", "labels": ["O"]},
            "tag 3, and labels names 1",
        ),
        (
            "jsonl",
            '{"w": ["a"], "t": ["B\\u0000"]}\n',
            {"words": "w", "tags": "t"},
            '"B<U+0000>" holds what',
        ),
        ("jsonl", '{"w": "a b"}\n', {"words": "w"}, '"w" is no list'),
        ("jsonl", '{"w": [1]}\n', {"words": "w"}, '"w" holds what is no word'),
        ("csv", b"text\n\x93a\x94\n", {}, 'such as encoding = "cp1252"'),
        (
            "csv",
            b"text\na\nb\x81\n",
            {"encoding": "cp1252"},
            "data.csv, line 3: byte 0x81 is not of the encoding cp1252",
        ),
        ("csv", "\ufefftext\na\n", {"encoding": "cp1252"}, "line 1: the file begins with the mark of UTF-8"),
        ("jsonl", '{"text": 3}\n', {}, '"text" holds a number, not a string'),
        ("jsonl", '{"text": "a", "label": null}\n', {"label": "label"}, '"label" holds null, not a string'),
        ("jsonl", '{"txet": "a"}\n', {}, 'data.jsonl, line 1: no column "text" (columns: txet); did you mean "txet"?'),
        ("jsonl", '{"text": "\\ud800"}\n', {}, "half of a surrogate pair"),
        ("jsonl", '{"text": "a\\u0000"}\n', {}, "holds a NUL"),
        ("jsonl", "[" * 100_000, {}, "data.jsonl, line 1: not JSON"),
    ],
)
def test_what_is_broken_is_said_with_its_place(tmp_path, reader, content, options, said):
    assert said in refusal(reader, tmp_path, content, **options)


def test_the_nearest_label_is_named(tmp_path):
    message = refusal("csv", tmp_path, "text,label\na,postive\n", label="label", labels=["positive", "negative"])
    assert message == 'data.csv, line 2: unknown label "postive"; did you mean "positive"?'


def test_a_file_that_is_not_there(tmp_path):
    (tmp_path / "train.csv").write_text("text\na\n")
    assert 'did you mean "train.csv"?' in refusal("csv", tmp_path, path="trian.csv")
    assert "nor is there a folder" in refusal("csv", tmp_path, path="nowhere/train.csv")
    assert [row.text for row in read("csv", tmp_path, path=".")] == ["a"]
    assert "the folder has no file that ends in .tsv" in refusal("tsv", tmp_path, path=".")
    with pytest.raises(DataError):
        # Said when the reader is asked, before any row is.
        SPECS["csv"].read(SPECS["csv"].config(path="absent.csv"), tmp_path)


def test_wrong_configurations_are_refused():
    config = SPECS["csv"].config
    for wrong in ({}, {"path": []}, {"path": "a", "limit": 0}, {"path": "a", "txt": "b"}, {"path": "a", "labels": []}):
        with pytest.raises(ValidationError):
            config(**wrong)
    with pytest.raises(ValidationError, match='did you mean "id"'):
        config(path="a", language="indonesain")


cells = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)


@given(
    rows=st.lists(st.tuples(cells, cells), min_size=1, max_size=5),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_the_csv_module_writes_is_read_back(tmp_path, rows, quoting, end):
    # Before Python 3.13 the module leaves a lone carriage return unquoted, which no reader can tell from a line end.
    assume(quoting == csv.QUOTE_ALL or not any("\r" in cell for row in rows for cell in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator=end)
    writer.writerows([("text", "key"), *[(f"x{text}", key) for text, key in rows]])
    read_back = read("csv", tmp_path, out.getvalue(), key="key")
    assert [(row.text, row.key) for row in read_back] == [(f"x{text}", key or None) for text, key in rows]


@given(body=st.text(st.sampled_from('a",\n \r'), max_size=25))
def test_any_csv_reads_as_the_csv_module_has_it_or_is_refused(tmp_path, body):
    content = f"text,key\n{body}"
    try:
        # One string a line, line ends kept, as the module's documentation asks.
        records = [record for record in csv.reader(io.StringIO(content, newline=""), strict=True) if record][1:]
    except csv.Error:
        records = []
    try:
        found = [(row.text, row.key) for row in read("csv", tmp_path, content, key="key")]
    except DataError:
        return
    assert found == [(record[0], record[1] or None) for record in records]


@given(raw=st.binary(max_size=80), reader=st.sampled_from(["csv", "tsv", "jsonl"]))
def test_no_bytes_whatever_raise_anything_but_a_data_error(tmp_path, raw, reader):
    start = b'{"text": "a"}\n' if reader == "jsonl" else b"text\n"
    try:
        assert read(reader, tmp_path, start + raw)
    except DataError as refused:
        assert str(refused).startswith(f"data.{reader}")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
@pytest.mark.parametrize(
    ("reader", "path", "options", "rows"),
    [
        ("csv", "nusax-senti/jav/train.csv", {"label": "label", "key": "id"}, 500),
        ("csv", "nusax-mt/parallel/valid.csv", {"text": "javanese", "translation": "indonesian", "key": ""}, 100),
        ("tsv", "afrisenti/swa/train.tsv", {"text": "tweet", "label": "label"}, 1810),
        ("tsv", "sib200/nqo_Nkoo/test.tsv", {"label": "category", "key": "index_id"}, 204),
        ("jsonl", "xcopa/id/val.id.jsonl", {"text": "premise", "label": "label"}, 100),
    ],
)
def test_real_files(reader, path, options, rows):
    found = read(reader, SHARED, path=path, **options)
    assert len(found) == rows
    assert all(example.text.strip() for example in found)


def test_rows_without_a_text_are_kept_where_that_is_asked_for(tmp_path):
    for reader, content in (
        ("csv", "text,other\none,x\n,y\nthree,\n"),
        ("jsonl", '{"text": "one", "other": "x"}\n{"text": null, "other": "y"}\n{"text": "three", "other": " "}\n'),
    ):
        rows = read(reader, tmp_path, content, text_pair="other", keep_empty=True)
        assert [(row.text, row.text_pair.strip()) for row in rows] == [("one", "x"), ("", "y"), ("three", "")]


def test_rows_may_name_their_languages_and_stacks(tmp_path):
    content = '{"text": "a", "tongue": "jav", "way": "lang:a"}\n{"text": "b", "tongue": null, "way": null}\n'
    columns = {"language_column": "tongue", "stack": "way"}
    rows = read("jsonl", tmp_path, content, **columns, language="ind")
    assert [(row.language, row.stack) for row in rows] == [("jv", "lang:a"), ("id", None)]
    said = refusal("jsonl", tmp_path, content.replace("jav", "jaav"), **columns)
    assert said.startswith('data.jsonl, line 1: "jaav" is not a language tag')


def test_a_pipe_is_read_like_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as thread:
        for packed in (b"text\none\ntwo\n", gzip.compress(b"text\none\ntwo\n")):
            written = thread.submit((tmp_path / "pipe").write_bytes, packed)
            assert [row.text for row in read("csv", tmp_path, path="pipe")] == ["one", "two"]
            written.result()
