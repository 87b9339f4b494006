"""The readers of raw and parallel text, translation memories, dictionaries and data sets, and what they refuse."""

import gzip
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lect.builtins.plugin import lect_register_readers
from lect.errors import DataError

SPECS = {spec.name: spec for spec in lect_register_readers()}
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
needs_data = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no data in {SHARED}")


def read(reader, folder, **options):
    spec = SPECS[reader]
    return list(spec.read(spec.config(**options), folder))


def write(folder, **files):
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def refusal(reader, folder, **options):
    with pytest.raises(DataError) as refused:
        read(reader, folder, **options)
    message = str(refused.value)
    assert "\n" not in message
    return message


def zstd(content):
    compression = pytest.importorskip("backports.zstd")
    return compression.compress(content)


# ------------------------------------------------------------------------------------------------------------ text


def test_text_has_a_row_a_line_without_empty_ones(tmp_path):
    write(tmp_path, a__txt="\ufeffone\r\n\r\n  two \r\nߒߞߏ")
    rows = read("text", tmp_path, path="a.txt", language="nqo", keys="set")
    assert [(row.text, row.key, row.origin, row.language) for row in rows] == [
        ("one", "set:1", "a.txt, line 1", "nqo"),
        ("two", "set:3", "a.txt, line 3", "nqo"),
        ("ߒߞߏ", "set:4", "a.txt, line 4", "nqo"),
    ]


def test_text_of_folders_patterns_and_several_files(tmp_path):
    for name, content in (("b", b"b"), ("a", b"a")):
        (tmp_path / "texts" / name).mkdir(parents=True)
        (tmp_path / "texts" / name / "x.txt.gz").write_bytes(gzip.compress(content))
    write(tmp_path / "texts", c__txt="c", d__csv="d", e__txt__zst=zstd(b"e\n"))
    (tmp_path / "texts" / ".hidden.txt").write_text("h")
    assert [row.text for row in read("text", tmp_path, path="texts")] == ["a", "b", "c", "e"]
    assert [row.origin for row in read("text", tmp_path, path="texts/*/x*")] == [
        "texts/a/x.txt.gz, line 1",
        "texts/b/x.txt.gz, line 1",
    ]
    assert [row.text for row in read("text", tmp_path, path=["texts/c.txt", "texts", "texts/c.txt"], limit=3)] == [
        "c",
        "a",
        "b",
    ]
    assert "no file fits this pattern" in refusal("text", tmp_path, path="texts/*.text")
    assert 'did you mean "c.txt"' in refusal("text", tmp_path, path="texts/cc.txt")
    (tmp_path / "empty").mkdir()
    assert "no file that ends in .txt" in refusal("text", tmp_path, path="empty")


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), max_size=20), max_size=8),
    st.sampled_from(["plain", "gzip", "zstd"]),
)
def test_any_text_comes_back(tmp_path, lines, packing):
    content = "\n".join(lines).encode()
    packed = {"plain": bytes, "gzip": gzip.compress, "zstd": zstd}[packing](content)
    (tmp_path / "any").write_bytes(b"x\n" + content if packing == "plain" else packed)
    expected = [line.strip() for line in (["x", *lines] if packing == "plain" else lines)]
    if packing != "plain" and expected:
        expected[0] = expected[0].removeprefix("\ufeff") if lines[0].startswith("\ufeff") else expected[0]
    if any(expected):
        assert [row.text for row in read("text", tmp_path, path="any")] == [line for line in expected if line]
    else:
        assert "no text" in refusal("text", tmp_path, path="any")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"one\nb\xffd\n", "data.txt, line 2: invalid UTF-8: byte 0xff at position 2"),
        (b"one\n\0two\n", "data.txt, line 2: a NUL byte"),
        ("one\ntwo".encode("utf-16"), "data.txt, line 1: the file is in UTF-16"),
        (b"PK\x03\x04rest", "data.txt, line 1: the file is a ZIP archive"),
        (b"PAR1\x15\x04", "data.txt, line 1: the file is a Parquet file"),
        (b"\x89PNG\r\n\x1a\n", "data.txt, line 1: the file is an image"),
        (b"", "data.txt: the file has no text"),
        (b"\n \r\n\t\n", "data.txt: the file has no text"),
        (gzip.compress(b"one\ntwo\n" * 9000, mtime=0)[:-60], "the compressed file is cut off"),
        (
            gzip.compress(b"one\n", mtime=0)[:12] + b"\xff\xff" + gzip.compress(b"one\n", mtime=0)[14:],
            "the compressed file is broken",
        ),
    ],
)
def test_text_that_is_none(tmp_path, content, expected):
    write(tmp_path, data__txt=content)
    assert expected in refusal("text", tmp_path, path="data.txt")


def test_zstd_that_is_cut_off_or_broken(tmp_path):
    packed = bytearray(zstd("".join(f"line {number}\n" for number in range(20000)).encode()))
    write(tmp_path, data__zst=bytes(packed[:-20]))
    message = refusal("text", tmp_path, path="data.zst")
    assert "the compressed file is cut off" in message
    assert "data.zst, after line " in message
    packed[30:60] = b"\xff" * 30
    write(tmp_path, data__zst=bytes(packed))
    assert "the compressed file is broken" in refusal("text", tmp_path, path="data.zst")


def test_invalid_bytes_can_be_replaced(tmp_path):
    write(tmp_path, data__txt=b"one\nb\xffd\n")
    assert [row.text for row in read("text", tmp_path, path="data.txt", invalid_utf8="replace")] == ["one", "b\ufffdd"]


def test_a_line_of_50_megabytes_is_refused_or_cut_in_little_memory(tmp_path):
    with gzip.open(tmp_path / "long.txt.gz", "wb", compresslevel=1) as file:
        file.write(b"before\n")
        for _ in range(50):
            file.write(b"\xc3\xa9" * 500_000)
        file.write(b"\nafter\n")
    options = {"path": "long.txt.gz", "longest_line": 100_001}
    tracemalloc.start()
    message = refusal("text", tmp_path, **options)
    rows = read("text", tmp_path, **options, too_long="cut")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert message.startswith("long.txt.gz, line 2: the line is longer than 100,001 bytes; ")
    assert [len(row.text) for row in rows] == [6, 50_000, 5]
    assert rows[1].text == "é" * 50_000
    assert peak < 4_000_000


def test_a_table_with_a_line_of_50_megabytes_is_refused(tmp_path):
    write(tmp_path, data__csv=b"text\n" + b"x" * 50_000_000)
    assert "data.csv, line 2: the line is longer than 10,000,000 bytes" in refusal("csv", tmp_path, path="data.csv")


def test_tables_may_be_compressed(tmp_path):
    write(tmp_path, data__csv__gz=gzip.compress(b"text,label\na,b\n"))
    (row,) = read("csv", tmp_path, path="data.csv.gz", label="label")
    assert (row.text, row.label) == ("a", "b")


# -------------------------------------------------------------------------------------------------------- parallel


def test_parallel_text_of_two_files_and_of_moses(tmp_path):
    write(tmp_path, c__nqo="a\n\nb\n", c__en__gz=gzip.compress(b"A\n\nB\n"))
    rows = read("parallel", tmp_path, path="c", text="nqo", translation="en", language="nqo", keys="c")
    assert [(row.text, row.translation, row.key, row.origin) for row in rows] == [
        ("a", "A", "c:1", "c.nqo, line 1"),
        ("b", "B", "c:3", "c.nqo, line 3"),
    ]
    assert len(read("parallel", tmp_path, text="c.nqo", translation="c.en.gz")) == 2
    assert 'did you mean "c.nqo"' in refusal("parallel", tmp_path, path="c", text="nqi", translation="en")


@pytest.mark.parametrize(("ours", "theirs"), [(3, 5), (5, 3), (0, 2), (2, 0)])
def test_parallel_text_of_unequal_count(tmp_path, ours, theirs):
    write(tmp_path, a="x\n" * ours, b="y\n" * theirs)
    message = refusal("parallel", tmp_path, text="a", translation="b")
    assert message.startswith(f"a: {ours} lines, and b has {theirs}: they are not aligned")


def test_half_a_pair_is_refused_with_its_line_or_left_out(tmp_path):
    write(tmp_path, a="x\ny\nz\n", b="X\n\nZ\n")
    assert "b, line 2: the line is empty" in refusal("parallel", tmp_path, text="a", translation="b")
    assert [row.text for row in read("parallel", tmp_path, text="a", translation="b", skip_empty=True)] == ["x", "z"]


# ------------------------------------------------------------------------------------------------------------- tmx

TMX = """<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header/><body>
<tu tuid="u1"><tuv xml:lang="en-GB"><seg>Hello <bpt i="1">&lt;b&gt;</bpt><hi>big</hi><ept i="1">&lt;/b&gt;</ept>
   world &amp; all</seg></tuv><tuv xml:lang="bm"><seg>i ni ce</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
<tu><tuv lang="EN"><seg>2</seg></tuv><tuv xml:lang="bam"><seg>fila</seg></tuv><tuv xml:lang="?"><seg>x</seg></tuv></tu>
</body></tmx>"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tmx_gives_units_that_have_both_languages(tmp_path, encoding):
    content = TMX if encoding == "utf-8" else TMX.replace('"1.0"?', '"1.0" encoding="utf-16"?')
    (tmp_path / "m.tmx").write_bytes(content.encode(encoding))
    rows = read("tmx", tmp_path, path="m.tmx", text="bam", translation="en", keys="m")
    assert [(row.text, row.translation, row.key, row.origin, row.language) for row in rows] == [
        ("i ni ce", "Hello big world & all", "m:u1", "m.tmx, line 4", "bm"),
        ("fila", "2", "m:3", "m.tmx, line 7", "bm"),
    ]


BOMB = '<!DOCTYPE tmx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TMX[:-20], "m.tmx, line 7: not well-formed XML"),
        (
            TMX.replace("</seg></tuv></tu>\n<tu><tuv xml:lang", "</tuv></tu>\n<tu><tuv xml:lang", 1),
            "m.tmx, line 5: not",
        ),
        (TMX.replace('<!DOCTYPE tmx SYSTEM "tmx14.dtd">', BOMB), 'm.tmx, line 2: the file defines an entity ("a")'),
        (TMX.replace('"tmx14.dtd">', '"x" [<!ENTITY e SYSTEM "file:///etc/passwd">]>'), 'defines an entity ("e")'),
        ("<html/>", "m.tmx, line 1: the root element is <html>, not <tmx>"),
        ("<tmx><body/></tmx>", "no unit has both"),
        (TMX.replace("alone", "x" * 2000), "m.tmx, line 6: a segment of more than 1,000 characters"),
        ("", "no element found"),
    ],
)
def test_tmx_that_is_none(tmp_path, content, expected):
    write(tmp_path, m__tmx=content)
    assert expected in refusal("tmx", tmp_path, path="m.tmx", text="bam", translation="en", longest=1000)


def test_a_tag_of_50_megabytes_is_refused_in_little_memory(tmp_path):
    with gzip.open(tmp_path / "m.tmx", "wb", compresslevel=1) as file:
        file.write(b'<tmx><body><tu tuid="')
        for _ in range(50):
            file.write(b"x" * 1_000_000)
        file.write(b'"/></body></tmx>')
    message = refusal("tmx", tmp_path, path="m.tmx", text="bam", translation="en", longest=1000)
    assert "m.tmx, line 1: a tag of more than 4,000 bytes" in message


def test_a_large_memory_is_streamed(tmp_path):
    unit = '<tu><tuv xml:lang="en"><seg>{}</seg></tuv><tuv xml:lang="bm"><seg>b {}</seg></tuv></tu>\n'
    units = "".join(unit.format(f"unit {number} " + "x" * 200, number) for number in range(20_000))
    write(tmp_path, m__tmx=f"<tmx><body>\n{units}</body></tmx>")
    rows = read("tmx", tmp_path, path="m.tmx", text="bam", translation="en", longest=1000)
    assert len(rows) == 20_000
    assert rows[-1].origin == "m.tmx, line 20001"


def test_tmx_says_which_languages_there_are(tmp_path):
    write(tmp_path, m__tmx=TMX)
    message = refusal("tmx", tmp_path, path="m.tmx", text="nqo", translation="en")
    assert 'no unit has both "nqo" and "en" (languages: en-GB (1)' in message


# ------------------------------------------------------------------------------------------------------ dictionary


def test_dictionaries_of_muse_and_of_tables(tmp_path):
    write(tmp_path, muse="cat kucing\ndog\tanjing besar\r\n\nround a\na round\n", table__csv=",ind,ace\n0,abu,abee\n")
    rows = read("dictionary", tmp_path, path="muse", language="eng")
    assert [(row.text, row.translation) for row in rows] == [
        ("cat", "kucing"),
        ("dog", "anjing besar"),
        ("round", "a"),
        ("a", "round"),
    ]
    assert rows[2].origin == "muse, line 4"
    (row,) = read("dictionary", tmp_path, path="table.csv", reverse=True, language="ace")
    assert (row.text, row.translation, row.language, row.origin) == ("abee", "abu", "ace", "table.csv, line 2")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("d", "a b\none two three\n", "d, line 2: 3 fields between spaces, and no tab"),
        ("d", "a\tb\tc\n", "d, line 1: 3 fields between tabs"),
        ("d", "alone\n", "d, line 1: 1 field between"),
        ("d", "a\t \n", "d, line 1: one side is empty"),
        ("d", "\n", "d: the dictionary has no entries"),
        ("d.csv", "a,b,c\n1,2,3\n", "d.csv, line 1: 3 columns with a name (a, b, c), not two"),
        ("d.csv", ",a\n1,2\n", "d.csv, line 1: 1 columns with a name (a), not two"),
        ("d.csv", "a,b\n1\n", "d.csv, line 2: 1 field, fewer than the header's 2"),
    ],
)
def test_dictionaries_that_are_none(tmp_path, name, content, expected):
    write(tmp_path, **{name.replace(".", "__"): content})
    assert expected in refusal("dictionary", tmp_path, path=name)


# -------------------------------------------------------------------------------------------------------- datasets


def test_data_sets_of_folders_and_files(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {
            "sentence": datasets.Value("string"),
            "label": datasets.ClassLabel(names=["bad", "good"]),
            "translation": {"en": datasets.Value("string")},
        }
    )
    rows = {"sentence": ["a", "b"], "label": [1, 0], "translation": [{"en": "A"}, {"en": "B"}]}
    data = datasets.Dataset.from_dict(rows, features=features)
    data.save_to_disk(str(tmp_path / "saved"))
    datasets.DatasetDict({"train": data, "test": data.select([1])}).save_to_disk(str(tmp_path / "splits"))
    data.to_parquet(str(tmp_path / "data.parquet"))
    options = {"text": "sentence", "label": "label", "translation": "translation.en"}
    expected = [("a", "good", "A"), ("b", "bad", "B")]
    for path in ("saved", "splits", "data.parquet"):
        found = read("datasets", tmp_path, path=path, **options)
        assert [(row.text, row.label, row.translation) for row in found] == expected
        assert found[1].origin == f"{path}, train, row 2"
    (row,) = read("datasets", tmp_path, path="splits", split="test", **options)
    assert row.text == "b"
    assert 'no split "tset"; did you mean "test"?' in refusal("datasets", tmp_path, path="splits", split="tset")
    assert "no column" in refusal("datasets", tmp_path, path="saved", text="text")


def test_a_data_set_that_cannot_be_had(tmp_path):
    pytest.importorskip("datasets")
    assert "the hub has no such data set or cannot be reached" in refusal("datasets", tmp_path, path="no/such")
    assert "no such file or folder" in refusal("datasets", tmp_path, path="../no/such/place")
    write(tmp_path, broken__parquet=b"PAR1 and no more")
    assert "broken.parquet: `datasets` cannot read it" in refusal("datasets", tmp_path, path="broken.parquet")


# ------------------------------------------------------------------------------------------------------- real data


@needs_data
def test_real_text_pairs_and_dictionaries():
    pairs = read(
        "parallel",
        SHARED,
        text="nllb-seed/nqo_Nkoo/train.txt",
        translation="nllb-seed/eng_Latn/train.txt",
        language="nqo",
    )
    assert len(pairs) == 6193
    assert pairs[0].translation.startswith("Lillian Diana Gish")
    assert len(read("text", SHARED, path="nusaparagraph-raw", language="jav")) == 2172 + 2048 + 1943
    sizes = {name: len(read("dictionary", SHARED, path=f"nusax-lexicon/{name}/lexicon.csv")) for name in ("eng", "ace")}
    assert sizes == {"eng": 2443, "ace": 1014}
    tatoeba = read("parallel", SHARED, path="tatoeba/jav/tatoeba.jav-eng", text="jav", translation="eng")
    assert len(tatoeba) == 205
    message = refusal(
        "parallel", SHARED, text="flores200/nqo_Nkoo/devtest.txt", translation="nllb-seed/nqo_Nkoo/train.txt"
    )
    assert "1012 lines, and nllb-seed/nqo_Nkoo/train.txt has 6193" in message


def test_empty_lines_are_kept_where_that_is_asked_for(tmp_path):
    write(tmp_path, a="one\n\n two \n", b="un\n\ndeux\n")
    places = [("one", "a, line 1"), ("", "a, line 2"), ("two", "a, line 3")]
    for reader, options in (("text", {"path": "a"}), ("parallel", {"text": "a", "translation": "b"})):
        assert [(row.text, row.origin) for row in read(reader, tmp_path, **options, keep_empty=True)] == places
        assert [(row.text, row.origin) for row in read(reader, tmp_path, **options)] == [places[0], places[2]]
