"""Examples of a recipe's or command's data tables, read through the plugins' readers and checked."""

from __future__ import annotations

import glob
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.data.dataset import Dataset, Source, digest
from lect.data.examples import Example
from lect.data.files import say
from lect.data.label_forms import LabelForms
from lect.data.paths import STANDARD_INPUT, existing_file
from lect.data.stored import hold
from lect.errors import DataError, UserError, nearest
from lect.host.bundled import bundled
from lect.specs import ReaderSpec

if TYPE_CHECKING:
    from lect.host import Host

_COLUMNS = ("label", "text_pair", "translation", "key")
_OF_FOLDERS = ("csv", "tsv", "jsonl", "excel", "datasets")
"""Readers of tables that read all files of a folder."""


def read_source(
    host: Host,
    source: Source,
    folder: Path,
    where: str,
    needs: Sequence[str] = (),
    keep: Callable[[Iterable[Example]], Iterable[Example]] = iter,
    *,
    named: Sequence[str] = (),
) -> Dataset:
    """All examples of a source. Labels that are nearly one are said.

    What is needed, or named, is read from the column of its own name unless the source names another.

    Args:
        folder: relative paths are relative to it.
        where: quoted in messages, such as ``recipe.toml, data.train``.
        needs: fields that every example must have.
        keep: the examples to keep of all, as they come.
        named: fields that examples should have.

    Raises:
        DataError: the data is wrong, lacks a field that is needed, or is empty.
    """
    configured = host.configured(ReaderSpec, source.reader, source.config, where)
    config = _by_own_names(configured.config, (*needs, *named))
    forms = LabelForms()
    with host.attributed(configured) as spec:
        remarks: list[str] = []
        rows = forms.watch(_read(spec.read(config, folder), remarks))
        examples = hold(keep(_checked(rows, needs, where)))
    if forms.alike():
        say(f"{source}: {forms}")
    if not examples:
        raise DataError("no examples", where=f"{where} ({source})", fix="name a source that has some")
    return Dataset(source, examples, digest(examples), remarks=tuple(remarks))


def stream_source(host: Host, source: Source, folder: Path, where: str) -> Iterator[Example]:
    """The examples of a source as they come, none kept. Raises as `read_source`, when it is gone through."""
    configured = host.configured(ReaderSpec, source.reader, source.config, where)
    none = True
    with host.attributed(configured) as spec:
        for example in spec.read(configured.config, folder):
            none = False
            yield example
    if none:
        raise DataError("no examples", where=f"{where} ({source})", fix="name a source that has some")


def source_of(host: Host, data: str | Sequence[str] | None, reader: str | None, config: Mapping[str, Any]) -> Source:
    """The source that files or folders, a reader and its settings describe together.

    Args:
        data: a file, a folder of them, or one that `datasets` wrote, or several; ``-`` for standard input; None for
            readers that need none.
        reader: by default what the first file's ending tells; ``text`` of standard input.

    Raises:
        UserError: nothing says how the data is read.
    """
    if data is not None:
        names = [data] if isinstance(data, str) else list(data)
        reader = reader or _reader_of_folder(host, names[0]) or reader_of(host, names[0])
        config = {**config, "path": names[0] if len(names) == 1 else names}
    if reader is None:
        raise UserError("there is nothing to read", fix="name a file with --data, or a reader with --reader")
    return Source(reader, dict(config))


def reader_of(host: Host, file: str) -> str:
    """The reader that a file's ending tells, in front of that of a compressed one.

    Raises:
        DataError: there is no such file, or not one reader alone says that it reads such files.
    """
    ending = _ending(file)
    known = {name: provided.spec.endings for name, provided in host.specs(ReaderSpec).items()}
    found = [name for name, endings in known.items() if ending in endings]
    if len(found) == 1:
        return found[0]
    if not glob.has_magic(file):
        existing_file(Path(file).expanduser(), file)
    if found:
        what = f'several readers read files that end in "{ending}"'
        raise DataError(what, where=file, fix=f"name one with --reader: {' or '.join(found)}")
    what, distribution = f'no reader is known for the ending "{ending}"', bundled().get(("ending", ending))
    clause = nearest(ending, [each for endings in known.values() for each in endings])
    fix = f"try: pip install {distribution}" if distribution else f"name one with --reader; {clause}"
    raise DataError(what, where=file, fix=fix)


def _by_own_names(config: Any, fields: Sequence[str]) -> Any:
    """A reader's settings, with the columns of these fields that they leave open called as the fields are."""
    unset = {field: field for field in fields if field in _COLUMNS and getattr(config, field, field) is None}
    return config.model_copy(update=unset) if unset else config


def _reader_of_folder(host: Host, name: str) -> str | None:
    """What reads standard input, or a folder: one that `datasets` wrote, else by its files; None for anything else."""
    if name == STANDARD_INPUT:
        return "text"
    folder = Path(name)
    if not folder.is_dir():
        return None
    if any((folder / name).is_file() for name in ("state.json", "dataset_dict.json")):
        return "datasets"
    endings = {_ending(file.name) for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")}
    of_tables = {name for name in _OF_FOLDERS if endings & set(host.spec(ReaderSpec, name).endings)}
    # Texts come first, as they did when nothing else was read by folders.
    return of_tables.pop() if len(of_tables) == 1 and not endings & {".txt", ".text"} else "text"


def _ending(file: str) -> str:
    return Path(file.lower().removesuffix(".gz").removesuffix(".zst")).suffix


def _read(examples: Iterable[Example], remarks: list[str]) -> Iterator[Example]:
    """The examples; the lines that a generator returns at its end are added to the remarks."""
    iterator = iter(examples)
    while True:
        try:
            example = next(iterator)
        except StopIteration as end:
            remarks += end.value or ()
            return
        yield example


def _checked(examples: Iterable[Example], needs: Sequence[str], where: str) -> Iterable[Example]:
    for example in examples:
        for field in needs:
            if example.get(field) is None:
                located = example if example.origin else replace(example, origin=where)
                raise located.lacking(
                    field,
                    f'name its column with {field} = "…" in {where}'
                    if field in _COLUMNS
                    else f"name a reader that gives {field} in {where}",
                )
        yield example
