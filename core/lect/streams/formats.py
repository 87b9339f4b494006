"""The formats that answers are written in: how a stretch of them is added, and the file that they become at the end."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, get_args

import numpy as np

from lect.errors import UserError
from lect.files import file_aside
from lect.literals import EmbeddingFormat, PredictionFormat
from lect.streams.worker import Answer, StreamTask

FormatName: TypeAlias = PredictionFormat | EmbeddingFormat
_ENDINGS: Mapping[str, FormatName] = {
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
    ".npy": "npy",
    ".txt": "text",
}
_OF_TASK: Mapping[StreamTask, tuple[FormatName, ...]] = {
    "predict": get_args(PredictionFormat),
    "embed": get_args(EmbeddingFormat),
}
_NPY_HEADER = 128
_DECIMALS = 8


@dataclass(frozen=True)
class Format:
    """How answers are written.

    Args:
        encode: the bytes that are added for a stretch of answers.
        make: makes the file from the path of what was added, the number of answers, and its own path.
        start: what is there before the first stretch.
        printable: whether what is added can be read as it comes.
    """

    name: FormatName
    encode: Callable[[Sequence[Answer]], bytes]
    make: Callable[[Path, int, Path], None]
    start: bytes = b""
    printable: bool = True


def format_of(task: StreamTask, name: FormatName | None, output: Path | None) -> Format | None:
    """The format that is named, or that the ending of a file tells; None where neither says anything.

    Args:
        output: the file; None where answers are printed.

    Raises:
        UserError: the ending tells none, or what is printed cannot be in this format.
    """
    if name is None and output is not None:
        name = _ENDINGS.get(output.suffix.lower())
        if name not in _OF_TASK[task]:
            fix = f"name a file that ends in {', '.join(_endings(task))}, or the format with --format"
            raise UserError(f'lect {task} writes nothing as "{output.suffix}"', where="--output", fix=fix)
    if name is None:
        return None
    found = _formats(task)[name]
    if output is None and not found.printable:
        raise UserError(f"{name} is for files", where="--format", fix="name one with --output")
    return found


def values_of(answer: Answer) -> dict[str, Any]:
    """The record of an answer with what JSON can hold alone; a vector that is none is null."""
    vector = answer.record.get("vector")
    if not isinstance(vector, np.ndarray):
        return answer.record
    told = None if "reason" in answer.record else vector.astype(np.float64).round(_DECIMALS).tolist()
    return {**answer.record, "vector": told}


def lines_of_json(answers: Iterable[Answer]) -> Iterator[str]:
    """A line of JSON for each answer."""
    return (json.dumps(values_of(answer), ensure_ascii=False) for answer in answers)


def lines_of_text(answers: Iterable[Answer]) -> Iterator[str]:
    """The answers alone, a line each; empty where there is none."""
    return (" ".join(answer.shown.split()) for answer in answers)


class CsvLines:
    """Lines of CSV, of which the first one names the columns.

    Args:
        columns: by default those of the first answers.
    """

    def __init__(self, columns: Sequence[str] | None = None) -> None:
        self._columns = None if columns is None else list(columns)
        self._named = False

    def __call__(self, records: Sequence[Mapping[str, Any]]) -> str:
        """The lines of further records.

        Raises:
            UserError: one has a column that the first ones had not.
        """
        if self._columns is None:
            self._columns = list(dict.fromkeys(name for record in records for name in record))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self._named:
            writer.writerow(self._columns)
            self._named = True
        for record in records:
            if new := [name for name in record if name not in self._columns]:
                raise UserError(
                    f'the answer has "{new[0]}", which the first rows have not, and their columns are written',
                    where=str(record.get("origin", "--format csv")),
                    fix="name a file with --output, or take --format jsonl",
                )
            writer.writerow([_cell(record.get(name)) for name in self._columns])
        return text.getvalue()


def _formats(task: StreamTask) -> Mapping[FormatName, Format]:
    if task == "embed":
        from lect.streams.arrow import encode_vectors, parquet_of_vectors

        return {
            "jsonl": Format("jsonl", partial(_encode, lines_of_json), _move),
            "npy": Format("npy", _raw, _seal_npy, start=bytes(_NPY_HEADER), printable=False),
            "parquet": Format("parquet", encode_vectors, parquet_of_vectors, printable=False),
        }
    from lect.streams.arrow import parquet_of_json

    json_lines = partial(_encode, lines_of_json)
    return {
        "jsonl": Format("jsonl", json_lines, _move),
        "text": Format("text", partial(_encode, lines_of_text), _move),
        # Which columns there are, and of which types, is known at the end.
        "csv": Format("csv", json_lines, _csv_of_json),
        "parquet": Format("parquet", json_lines, parquet_of_json, printable=False),
    }


def _endings(task: StreamTask) -> list[str]:
    return [ending for ending, name in _ENDINGS.items() if name in _OF_TASK[task] and ending != ".json"]


def _encode(lines: Callable[[Iterable[Answer]], Iterator[str]], answers: Sequence[Answer]) -> bytes:
    return "".join(f"{line}\n" for line in lines(answers)).encode("utf-8", "replace")


def _move(part: Path, _rows: int, target: Path) -> None:
    part.replace(target)


def _csv_of_json(part: Path, _rows: int, target: Path) -> None:
    columns: dict[str, None] = {}
    with part.open(encoding="utf-8") as file:
        for line in file:
            columns.update(dict.fromkeys(json.loads(line)))
    lines = CsvLines(list(columns))
    with part.open(encoding="utf-8") as file, file_aside(target) as written:
        for line in file:
            written.write(lines([json.loads(line)]).encode("utf-8"))


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, tuple, dict)) else value


def _raw(answers: Sequence[Answer]) -> bytes:
    widths = {answer.record["vector"].shape[0]: answer.record.get("origin", "") for answer in answers}
    if len(widths) > 1:
        first, other = list(widths)[:2]
        raise UserError(
            f"its vector has {other} numbers, others have {first}, and an array has rows of one length",
            where=widths[other],
            fix="write them into a .jsonl file",
        )
    return b"".join(answer.record["vector"].astype("<f4").tobytes() for answer in answers)


def _seal_npy(part: Path, rows: int, target: Path) -> None:
    """Write the header, whose room was kept, in front of the numbers; NumPy reads or maps the file."""
    width, rest = divmod((part.stat().st_size - _NPY_HEADER) // 4, max(1, rows))
    if rest:
        raise UserError("vectors are of several lengths", where=str(target), fix="write them into a .jsonl file")
    said = repr({"descr": "<f4", "fortran_order": False, "shape": (rows, width)}).encode()
    head = b"\x93NUMPY\x01\x00" + (_NPY_HEADER - 10).to_bytes(2, "little")
    with part.open("r+b") as file:
        file.write(head + said.ljust(_NPY_HEADER - 11) + b"\n")
    part.replace(target)
