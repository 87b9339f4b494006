"""The reader of data that ``fairseq-preprocess`` has prepared."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from lect.errors import DataError
from lect.specs import ReaderSpec
from lect.testing.installed import installed_host

SYMBOLS = ["▁the", "▁fox", "es", "▁cold", "▁day", "▁panas", "an"]
ROWS = [[4, 5, 6, 2], [7, 8, 2], [2], [4, 3, 5, 2]]
OTHER = [[9, 10, 2], [8, 2], [8, 2], [9, 2]]


def write_mmap(prefix: Path, rows: list[list[int]], kind: str = "<u2", code: int = 8) -> None:
    """As MMapIndexedDataset lays them out."""
    data = [np.array(row, kind) for row in rows]
    prefix.with_name(f"{prefix.name}.bin").write_bytes(b"".join(row.tobytes() for row in data))
    starts = np.cumsum([0, *[row.nbytes for row in data]])[:-1]
    header = b"MMIDIDX\x00\x00" + struct.pack("<QBQ", 1, code, len(rows))
    lengths = np.array([len(row) for row in rows], "<i4")
    prefix.with_name(f"{prefix.name}.idx").write_bytes(header + lengths.tobytes() + starts.astype("<i8").tobytes())


def write_cached(prefix: Path, rows: list[list[int]]) -> None:
    """As IndexedDatasetBuilder does: every token one more than its id."""
    data = [np.array(row, "<i4") + 1 for row in rows]
    prefix.with_name(f"{prefix.name}.bin").write_bytes(b"".join(row.tobytes() for row in data))
    lengths = np.array([len(row) for row in rows], "<i8")
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype("<i8")
    header = b"TNTIDX\x00\x00" + struct.pack("<QQQQQ", 1, 4, 4, len(rows), len(rows))
    dimensions = np.arange(len(rows) + 1, dtype="<i8")
    prefix.with_name(f"{prefix.name}.idx").write_bytes(
        header + dimensions.tobytes() + starts.tobytes() + lengths.tobytes()
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dict.txt").write_text("".join(f"{symbol} 1\n" for symbol in SYMBOLS), encoding="utf-8")
    write_mmap(tmp_path / "train", ROWS)
    return tmp_path


def read(folder: Path, **values):
    host = installed_host()
    configured = host.configured(ReaderSpec, "fairseq", {"path": "train.idx", **values}, "recipe.toml")
    return list(configured.spec.read(configured.config, folder))


def test_rows_are_texts_again_and_empty_ones_are_passed_over(folder):
    rows = read(folder, language="EN", limit=2)
    assert [(row.text, row.language, row.origin) for row in rows] == [
        ("the foxes", "en", "train.idx, row 1"),
        ("cold day", "en", "train.idx, row 2"),
    ]
    assert [row.text for row in read(folder)] == ["the foxes", "cold day", "the\ufffd fox"]


@pytest.mark.parametrize("write", [write_cached, lambda prefix, rows: write_mmap(prefix, rows, "<i8", 5)])
def test_other_layouts_say_the_same(write, folder):
    expected = [row.text for row in read(folder)]
    write(folder / "train", ROWS)
    assert [row.text for row in read(folder)] == expected


def test_two_sides_are_read_together(folder):
    for language, rows in (("id", ROWS), ("en", OTHER)):
        write_mmap(folder / f"train.id-en.{language}", rows)
        (folder / f"dict.{language}.txt").write_text((folder / "dict.txt").read_text("utf-8"), encoding="utf-8")
    (folder / "dict.txt").unlink()
    rows = read(folder, path="train.id-en.id.idx", translation="train.id-en.en.idx")
    assert [(row.text, row.translation) for row in rows] == [
        ("the foxes", "panasan"),
        ("cold day", "day"),
        ("the\ufffd fox", "panas"),
    ]
    write_mmap(folder / "train.id-en.en", OTHER[:2])
    with pytest.raises(DataError, match=r"it has 2 rows, and train.id-en.id.idx 4"):
        read(folder, path="train.id-en.id.idx", translation="train.id-en.en.idx")


def test_other_subwords(folder):
    (folder / "dict.txt").write_text("the 1\nfox@@ 1\nes 1\ncold 1\nday 1\n", encoding="utf-8")
    assert [row.text for row in read(folder, limit=2)] == ["the foxes", "cold day"]
    assert read(folder, limit=1, subwords="none")[0].text == "the fox@@ es"
    (folder / "dict.txt").write_text("".join(f"{number} 1\n" for number in (7, 3, 5, 4, 9)), encoding="utf-8")
    tokens = {"The": 7, "Ġf": 3, "Ã¶x": 5, "Ġa": 4, "!": 9}
    (folder / "encoder.json").write_text(json.dumps(tokens), encoding="utf-8")
    assert [row.text for row in read(folder, limit=2)] == ["The föx", "a!"]


def test_what_is_damaged_is_said(folder):
    tokens, index = (folder / "train.bin").read_bytes(), (folder / "train.idx").read_bytes()
    (folder / "train.bin").write_bytes(tokens[:-4])
    with pytest.raises(DataError, match=r"train.bin: it ends before row 4 of train.idx; fetch or prepare it again"):
        read(folder)
    (folder / "train.idx").write_bytes(index[:-4])
    with pytest.raises(DataError, match=r"train.idx: it is cut short, or damaged"):
        read(folder)
    (folder / "train.idx").write_bytes(b"something else")
    with pytest.raises(DataError, match=r"train.idx: it is no index of fairseq"):
        read(folder)
    (folder / "train.idx").write_bytes(index)
    (folder / "train.bin").unlink()
    with pytest.raises(DataError, match=r"train.idx: there is no train.bin beside it; put it there"):
        read(folder)


def test_a_dictionary_that_is_too_small_or_missing_is_said(folder):
    (folder / "dict.txt").write_text("▁the 1\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"train.idx, row 1: it has the token 6, and its dictionary 5 tokens"):
        read(folder)
    (folder / "dict.txt").unlink()
    with pytest.raises(DataError, match=r"train.idx: there is no dict.txt beside it"):
        read(folder)
