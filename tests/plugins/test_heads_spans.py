"""The reader of spans: what annotation tools write, and what is done with spans that are not of whole words."""

from __future__ import annotations

import pytest
from logged import logged

from lect.data.dataset import Source
from lect.errors import DataError
from lect.host import Host
from lect.host.reading import read_source

HOST = Host.load()


@pytest.fixture
def read(tmp_path):
    def read(reader, content, **config):
        (tmp_path / "data.txt").write_bytes(content.encode("utf-8"))
        return read_source(HOST, Source(reader, {"path": "data.txt", **config}), tmp_path, "data").examples

    return read


TEXT = '"Jane Doe saw Rome."'
SPANS = {
    "doccano": '{"id": 1, "text": %s, "label": [[0, 8, "PER"], [13, 17, "LOC"]]}',
    "doccano with objects": '{"text": %s, "entities": [{"id": 1, "label": "PER", "start_offset": 0, "end_offset": 8},'
    ' {"label": "LOC", "start_offset": 13, "end_offset": 17}], "relations": []}',
    "prodigy": '{"text": %s, "spans": [{"start": 0, "end": 8, "label": "PER"},'
    ' {"start": 13, "end": 17, "label": "LOC"}], "answer": "accept"}',
    "Label Studio": '[{"id": 1, "data": {"text": %s}, "annotations": [{"was_cancelled": true, "result": []},'
    ' {"result": ['
    '{"type": "labels", "value": {"start": 0, "end": 8, "text": "Jane Doe", "labels": ["PER"]}},\n'
    '{"type": "labels", "value": {"start": 13, "end": 17, "text": "Rome", "labels": ["LOC"]}}]}]}]',
    "Label Studio, short": '[{"text": %s, "label": [{"start": 0, "end": 8, "text": "Jane Doe", "labels": ["PER"]},'
    ' {"start": 13, "end": 17, "text": "Rome", "labels": ["LOC"]}]}]',
}


@pytest.mark.parametrize("tool", SPANS)
def test_spans_of_annotation_tools_become_tags(read, tool):
    (example,) = read("spans", SPANS[tool] % TEXT)
    assert example.text == "Jane Doe saw Rome."
    assert example.words == ("Jane", "Doe", "saw", "Rome", ".")
    assert example.tags == ("B-PER", "I-PER", "O", "B-LOC", "O")


def test_spans_within_words_over_each_other_and_of_other_offsets(read, caplog):
    # The emoji counts twice where a browser counted.
    line = '{"text": "\U0001f600 Rome", "label": [{"start": 3, "end": 7, "text": "Rome", "labels": ["LOC"]}]}\n'
    line += '{"text": "Jane Doe", "label": [[0, 2, "A"], [0, 8, "PER"]]}\n'
    line += '{"text": "x", "label": [], "answer": "reject"}\n{"text": "Romans", "label": [[0, 4, "LOC"]]}\n'
    rows = read("spans", line)
    assert [row.tags for row in rows] == [("O", "B-LOC"), ("B-PER", "I-PER"), ("B-LOC",)]
    assert logged(caplog) == (
        "warning: data.txt: 1 span that ended within a word was widened to it; "
        "1 span over a longer one was left out; 1 row that was not accepted was left out\n"
    )
    (row,) = read("spans", '{"text": "a b"}')
    assert (row.words, row.tags) == (("a", "b"), None)
    tokens = '{"text": "a-b", "tokens": [{"text": "a", "start": 0, "end": 1}, {"text": "-b", "start": 1, "end": 3}]}'
    assert read("spans", tokens)[0].words == ("a", "-b")


def test_slots_in_brackets(read):
    line = '{"id": "0", "annot_utt": "wake me at [time : noon] on [date : friday]", "utt": "wake me at noon on friday"}'
    (example,) = read("spans", line, bracketed="annot_utt", key="id")
    assert (example.text, example.key) == ("wake me at noon on friday", "0")
    assert example.tags == ("O", "O", "O", "B-time", "O", "B-date")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a", "label": [[0, 9, "X"]]}', "data.txt, line 1: the span from 0 to 9 is not in the text"),
        ('{"text": "a", "label": [[0, 1]]}', "line 1: a span without start, end and label"),
        ('{"text": "a", "label": "X"}', 'line 1: "label" is no list of spans'),
        (
            '{"text": "a b", "label": [{"start": 0, "end": 1, "text": "b", "label": "X"}]}',
            'the span "b" does not stand',
        ),
        ('{"text": " ", "label": []}', "line 1: the text is empty"),
    ],
)
def test_spans_that_are_wrong_are_refused_with_their_line(read, line, said):
    with pytest.raises(DataError) as caught:
        read("spans", line)
    assert said in str(caught.value)
