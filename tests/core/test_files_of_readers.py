"""What holds of every reader's files: packing, line ends, encodings; and of rows: labels, keys, what is left out."""

from __future__ import annotations

import gzip
import json

import pytest
from logged import logged

from lect.data.dataset import Source
from lect.data.examples import Example
from lect.errors import DataError, UserError
from lect.host import Host
from lect.host.reading import read_source

HOST = Host.load()

CONTENTS = {
    "text": ("naïve “x”\nsecond\n", {}),
    "csv": ("text,label\nnaïve “x”,p\nsecond,q\n", {"label": "label"}),
    "tsv": ("text\tlabel\nnaïve “x”\tp\nsecond\tq\n", {"label": "label"}),
    "jsonl": ('{"text": "naïve “x”"}\n{"text": "second"}\n', {}),
    "dictionary": ("naïve “x”\tp\nsecond\tq\n", {}),
    "conll": ("naïve\tO\n“x”\tB-X\n\nsecond\tO\n", {}),
    "conllu": (
        "1\tnaïve\t_\tX\t_\t_\t0\troot\t_\t_\n2\t“x”\t_\tX\t_\t_\t1\tdep\t_\t_\n\n1\tsecond\t_\tX\t_\t_\t0\troot\t_\t_\n\n",
        {},
    ),
    "choices": (
        '{"premise": "naïve “x”", "choice1": "a", "choice2": "c"}\n'
        '{"premise": "second", "choice1": "a", "choice2": "c"}\n',
        {},
    ),
    "squad": (
        '{"context": "naïve “x”", "question": "q?"}\n{"context": "second", "question": "q?"}\n',
        {},
    ),
    "examples": ('{"text": "naïve “x”"}\n{"text": "second"}\n', {}),
}


@pytest.fixture
def read(tmp_path):
    def read(reader, content: str | bytes, name: str = "data.txt", needs=(), **config):
        raw = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(raw)
        return list(read_source(HOST, Source(reader, {"path": name, **config}), tmp_path, "data", needs).examples)

    return read


@pytest.mark.parametrize("reader", CONTENTS)
def test_every_reader_reads_every_packing_line_end_and_encoding(read, reader):
    content, config = CONTENTS[reader]
    plain = read(reader, content, **config)
    assert [row.text for row in plain] == ["naïve “x”", "second"]
    assert read(reader, gzip.compress(content.encode()), **config) == plain
    for end in ("\r\n", "\r", "\r\r\n"):
        assert read(reader, content.replace("\n", end), **config) == plain
    assert read(reader, b"\xef\xbb\xbf" + content.encode(), **config) == plain
    assert read(reader, content.encode("cp1252"), encoding="cp1252", **config) == plain
    assert read(reader, content.replace("\n", "\r\n").encode("utf-16"), encoding="UTF-16", **config) == plain
    with pytest.raises(DataError, match=r'line 1: the file is in UTF-16; .* encoding = "utf-16"'):
        read(reader, content.encode("utf-16"), **config)
    with pytest.raises(DataError, match="a NUL byte"):
        read(reader, content.replace("second", "sec\0ond"), **config)


@pytest.mark.parametrize("reader", CONTENTS)
def test_other_separators_of_unicode_end_no_line_and_part_no_words(read, reader):
    content, config = CONTENTS[reader]
    for mark in "\u00a0\u3000\u2028\u0085\u001c\u202f":
        # JSON takes no control character as it is.
        written = json.dumps(f"x{mark}y")[1:-1] if content.startswith("{") else f"x{mark}y"
        assert read(reader, content.replace("second", written), **config)[1].text == f"x{mark}y"


def test_an_encoding_that_is_none_is_refused(read):
    for name in ("cp1522", "hex"):
        with pytest.raises(UserError, match="should be an encoding of text"):
            read("csv", "text\na\n", encoding=name)


def test_a_long_file_in_another_encoding_keeps_its_lines(read):
    lines = [f"línea {number} " + "ñ" * (number % 90) for number in range(5000)]
    content = "\r".join(lines).encode("cp1252")
    rows = read("text", content, encoding="cp1252")
    assert [row.text for row in rows] == [line.strip() for line in lines]
    assert rows[-1].origin == "data.txt, line 5000"
    with pytest.raises(DataError, match=r"line 5001: byte 0x81 is not of the encoding cp1252"):
        read("text", content + b"\r\x81", encoding="cp1252")


@pytest.mark.parametrize("mark", [";", "\t", "|", ","])
def test_the_delimiter_is_found(read, mark):
    content = f'text,label\n"Halo{mark} dunia",pos\nHai,neg\n'.replace(",", mark)
    rows = read("csv", content, label="label")
    assert [(row.text, row.label) for row in rows] == [(f"Halo{mark} dunia", "pos"), ("Hai", "neg")]
    said = read("csv", f"sep={mark}\nwords{mark}label\na{mark}b\n", text="words")
    assert [(row.text, row.origin) for row in said] == [("a", "data.txt, line 3")]


def test_the_delimiter_is_the_one_that_makes_the_columns_asked_for(read):
    assert read("csv", "text,a;b;label\nx,1;2;3\n")[0].text == "x"
    assert read("csv", "a,b;text;label\nx,1;2;3\n")[0].text == "2"
    assert read("csv", '"a;text";"b,c"\n"1";"2"\n', text="b,c")[0].text == "2"


def test_spaces_around_a_label_are_no_part_of_it_and_nearly_equal_labels_are_said(read, caplog):
    rows = read("csv", "text,label\nHalo,pos\nHai,pos \nHe,\u00a0pos\nHu,Pos\n", label="label", labels=["pos", "Pos"])
    assert [row.label for row in rows] == ["pos", "pos", "pos", "Pos"]
    said = logged(caplog)
    assert said == (
        "warning: csv: data.txt: labels that differ by case or space alone are classes of their own: "
        '"pos" (3), "Pos" (1)\n'
    )
    read("jsonl", '{"text": "a", "label": "x\u200by"}\n{"text": "b", "label": "xy"}\n', label="label")
    assert '"x<ZERO WIDTH SPACE>y" (1), "xy" (1)' in logged(caplog)
    read("csv", "text,label\nHalo,pos\nHai,neg\n", label="label")
    assert logged(caplog) == ""


def test_rows_without_a_text_are_left_out_and_counted_also_where_it_is_null(read, caplog):
    content = '{"text":null,"label":"x"}\n{"text":"b","label":"y"}\n{"text":" ","label":"y"}\n'
    (row,) = read("jsonl", content, label="label", skip_empty=True)
    assert (row.text, row.origin) == ("b", "data.txt, line 2")
    assert logged(caplog) == "warning: data.txt: 2 rows without a text left out\n"
    with pytest.raises(DataError, match='"text" holds null, not a string'):
        read("jsonl", content)
    read("dictionary", "a\tb\nc\t\n", skip_empty=True)
    assert "1 row with one side empty left out" in logged(caplog)


def test_documents_have_a_title_before_the_text_or_alone(read):
    content = (
        '{"_id": "1", "title": "Rome", "text": "It is old."}\n{"_id": "2", "title": "Oslo", "text": ""}\n'
        '{"_id": "3", "title": "", "text": "x"}\n{"_id": "4", "title": "T"}\n{"_id": "5", "title": null, "text": "y"}\n'
    )
    rows = read("jsonl", content, title="title", key="_id")
    assert [row.text for row in rows] == ["Rome It is old.", "Oslo", "x", "T", "y"]
    assert rows[0].key == "1"
    with pytest.raises(DataError, match='line 1: the column "text" is empty'):
        read("jsonl", '{"title": "", "text": ""}\n', title="title")
    with pytest.raises(DataError, match='no column "text"'):
        read("jsonl", '{"titel": "x"}\n', title="title")


def test_words_and_tags_in_columns(read):
    content = '{"tokens": ["New\u00a0York", " ", "is"], "ner_tags": [1, 0, 0]}\n'
    (row,) = read("jsonl", content, words="tokens", tags="ner_tags", labels=["O", "B-LOC"])
    assert (row.words, row.tags) == (("New\u00a0York", "\ufffd", "is"), ("B-LOC", "O", "O"))
    assert row.text == "New\u00a0York \ufffd is"
    assert [row.text[start:end] for start, end in row.places] == list(row.words)
    (row,) = read("jsonl", '{"id": "7", "tokens": ["a"]}\n', words="tokens", tags="t", key="id")
    assert (row.tags, row.key) == (None, "7")
    with pytest.raises(DataError, match=r'line 1: the row has no column "t"; fill it in'):
        read("jsonl", '{"id": "7", "tokens": ["a"]}\n', words="tokens", tags="t", needs=("tags",))
    with pytest.raises(UserError, match="tags are of words"):
        read("jsonl", content, tags="ner_tags")


def test_columns_inside_others_and_files_that_are_one_list(read):
    content = '[\n {"data": {"text": "a"}},\n {"data": {"text": "b"}}\n]\n'
    rows = read("jsonl", content, text="data.text")
    assert [(row.text, row.origin) for row in rows] == [
        ("a", "data.txt, entry 1, line 2"),
        ("b", "data.txt, entry 2, line 3"),
    ]


def test_words_and_tags_of_datasets_have_the_names_of_their_tags(tmp_path):
    datasets = pytest.importorskip("datasets")
    names = datasets.ClassLabel(names=["O", "B-PER"])
    features = datasets.Features(
        {"tokens": datasets.Sequence(datasets.Value("string")), "ner_tags": datasets.Sequence(names)}
    )
    rows = {"tokens": [["Jane", "spoke"]], "ner_tags": [[1, 0]]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "saved"))
    config = {"path": "saved", "words": "tokens", "tags": "ner_tags"}
    (row,) = read_source(HOST, Source("datasets", config), tmp_path, "data").examples
    assert (row.words, row.tags) == (("Jane", "spoke"), ("B-PER", "O"))


def test_sheets_of_excel(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append([])
    book.active.append(["text", "label", None])
    for cells in (["Halo; dunia", 1, "a note"], [None, None], [42, 2.0]):
        book.active.append(cells)
    book.create_sheet("more").append(["text", "text"])
    book.save(tmp_path / "data.xlsx")

    def read(**config):
        source = Source("excel", {"path": "data.xlsx", **config})
        return list(read_source(HOST, source, tmp_path, "data").examples)

    assert read(label="label") == [
        Example("Halo; dunia", "1", origin="data.xlsx, sheet Sheet, row 3"),
        Example("42", "2", origin="data.xlsx, sheet Sheet, row 5"),
    ]
    with pytest.raises(DataError, match=r'two columns are named "text"'):
        read(sheet="more")
    with pytest.raises(DataError, match=r'no sheet "mor"; did you mean "more"'):
        read(sheet="mor")
    (tmp_path / "data.xlsx").write_text("text,label\n")
    with pytest.raises(DataError, match="no workbook that can be read"):
        read()


def test_the_reader_of_examples_says_what_is_wrong(read):
    for content, said in {
        '{"text": 3}': 'line 1: "text": input should be a valid string',
        '{"label": "a"}': '"text"',
        '{"text": "a b", "words": ["a", "b"], "tags": ["O"]}': "1 tags for 2 words",
        '{"text": "a b", "words": ["a"], "places": [[0, 9]]}': "a word stands outside of the text",
        '{"text": " "}': "the text is empty",
    }.items():
        with pytest.raises(DataError, match=r"data\.txt, line 1") as caught:
            read("examples", content)
        assert said in str(caught.value)
