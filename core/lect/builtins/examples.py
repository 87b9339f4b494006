"""The reader of what `lect data clean` writes as JSON lines: every field of every row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from lect.data.examples import OF_THE_FILE, Example
from lect.data.files import FilesConfig
from lect.data.objects import json_objects
from lect.errors import DataError
from lect.specs import ReaderSpec


def read_examples(config: FilesConfig, folder: Path) -> Iterator[Example]:
    """The rows of such files; columns that are no field are left out. Raises `DataError` with the line."""
    count = 0
    for path, where in config.files(folder):
        for values, place in json_objects(path, where, config.encoding):
            if config.limit is not None and count >= config.limit:
                return
            count += 1
            example = _example(values, place)
            yield replace(example, language=config.language) if config.language is not None else example


def _example(values: Mapping[str, Any], where: str) -> Example:
    own = {name: value for name, value in values.items() if name not in OF_THE_FILE}
    try:
        example: Example = _adapter().validate_python({**own, "origin": where})
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        fix = "write it with lect data clean, or name another reader"
        raise DataError(f'"{field}": {first["msg"].lower()}', where=where, fix=fix) from None
    if not example.text.strip():
        raise DataError("the text is empty", where=where, fix="fill it in")
    words = example.words or ()
    for name in ("places", "tags", "heads", "relations"):
        of_words = getattr(example, name)
        if of_words is not None and len(of_words) != len(words):
            raise DataError(f"{len(of_words)} {name} for {len(words)} words", where=where, fix="give each word one")
    if any(not 0 <= start <= end <= len(example.text) for start, end in example.places or ()):
        raise DataError("a word stands outside of the text", where=where, fix="correct its place")
    return example


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Example]:
    return TypeAdapter(Example)


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="examples",
        summary="rows as `lect data clean` writes them, with every field",
        config=FilesConfig,
        read=read_examples,
    ),
)
