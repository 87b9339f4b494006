"""Answers as Parquet, a group of rows at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lect.errors import UserError
from lect.files import file_aside
from lect.streams.worker import Answer

_ROWS = 8192
_AS_JSON = "json"


def encode_vectors(answers: Sequence[Answer]) -> bytes:
    """Vectors as one stream of Arrow's; what has no text is null.

    Raises:
        UserError: vectors are of several lengths.
    """
    import pyarrow

    widths = {answer.record["vector"].shape[0]: answer.record.get("origin", "") for answer in answers}
    if len(widths) > 1:
        fix = "write them into a .jsonl file"
        raise UserError("vectors are of several lengths", where=list(widths.values())[1], fix=fix)
    (width,) = widths or {0: ""}
    numbers = np.stack([answer.record["vector"] for answer in answers]).astype(np.float32)
    is_none = np.array(["reason" in answer.record for answer in answers])
    vectors = pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.array(numbers.reshape(-1)), width, mask=pyarrow.array(is_none)
    )
    strings = {
        name: pyarrow.array([answer.record.get(name) for answer in answers], pyarrow.string())
        for name in ("origin", "key", "text")
    }
    reasons = pyarrow.array([answer.record.get("reason") for answer in answers], pyarrow.string())
    batch = pyarrow.record_batch({**strings, "vector": vectors, "reason": reasons})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    found: bytes = sink.getvalue().to_pybytes()
    return found


def parquet_of_vectors(part: Path, _rows: int, target: Path) -> None:
    """A Parquet file of such streams, one behind the other."""
    import pyarrow
    from pyarrow import parquet

    writer: Any = None
    with part.open("rb") as file, file_aside(target) as written:
        while file.peek(1):
            table = pyarrow.ipc.open_stream(file).read_all()
            if writer is None:
                writer = parquet.ParquetWriter(written, table.schema)
            if table.schema != writer.schema:
                fix = "write them into a .jsonl file"
                raise UserError("vectors are of several lengths", where=str(target), fix=fix)
            writer.write_table(table)
        if writer is not None:
            writer.close()


def parquet_of_json(part: Path, _rows: int, target: Path) -> None:
    """A Parquet file of JSON lines. Columns have the type that all their values have, and else hold JSON as text."""
    import pyarrow
    from pyarrow import parquet

    types: dict[str, Any] = {}
    for records in _chunks(part):
        for name in dict.fromkeys(name for record in records for name in record):
            own = _type_of([record.get(name) for record in records], name)
            types[name] = own if name not in types else _common(types[name], own)
    null = pyarrow.null()
    schema = pyarrow.schema(
        [(name, pyarrow.string() if own in (_AS_JSON, null) else own) for name, own in types.items()]
    )
    with file_aside(target) as written, parquet.ParquetWriter(written, schema) as writer:
        for records in _chunks(part):
            columns = [
                pyarrow.array(
                    [_value(record.get(field.name), types[field.name], field) for record in records], field.type
                )
                for field in schema
            ]
            writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))


def _chunks(part: Path) -> Iterator[list[dict[str, Any]]]:
    with part.open(encoding="utf-8") as file:
        while lines := list(islice(file, _ROWS)):
            yield [json.loads(line) for line in lines]


def _type_of(values: list[Any], name: str) -> Any:
    import pyarrow

    if name == "scores":
        # Rows of several stacks have scores of several labels.
        return pyarrow.map_(pyarrow.string(), pyarrow.float64())
    try:
        found = pyarrow.infer_type(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
        return _AS_JSON
    return _AS_JSON if pyarrow.types.is_struct(found) else found


def _common(first: Any, second: Any) -> Any:
    import pyarrow

    if first == second or second == pyarrow.null():
        return first
    if first == pyarrow.null():
        return second
    if {first, second} == {pyarrow.int64(), pyarrow.float64()}:
        return pyarrow.float64()
    return _AS_JSON


def _value(value: Any, own: Any, field: Any) -> Any:
    import pyarrow

    if value is None:
        return None
    if own == _AS_JSON:
        return json.dumps(value, ensure_ascii=False)
    if pyarrow.types.is_map(field.type):
        return list(value.items())
    return float(value) if pyarrow.types.is_floating(field.type) else value
