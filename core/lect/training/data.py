"""The training rows that a recipe names: read, cleaned, and kept apart from what the result will be judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lect.data.balance import imbalance_of
from lect.data.cleaning import Counts, clean
from lect.data.dataset import Dataset, Source
from lect.data.dictionary import Dictionary
from lect.data.examples import Example
from lect.data.guard import Guard, Overlap, Overlaps, check_files, corpus_of
from lect.errors import DataError
from lect.host.reading import read_source
from lect.recipes.recipe import Recipe
from lect.recipes.schema import DataSection, DataTable
from lect.specs import HeadSpec
from lect.training.code_switching import Switching

if TYPE_CHECKING:
    from lect.host import Host


def source_of(table: DataTable) -> Source:
    """The source that a table of a recipe names."""
    return Source(table.reader, table.config, table.licence, table.corpus)


def read_training(data: DataSection, host: Host, folder: Path, file: str, needs: Sequence[str]) -> tuple[Dataset, ...]:
    """The training rows, one data set a source.

    Args:
        folder: relative paths are relative to it.
        file: how messages call the recipe.
        needs: fields that every row must have.

    Raises:
        DataError: a source is wrong or guarded, nothing is left after cleaning, or rows of it are in the evaluation
            data and the recipe says nothing else of that.
    """
    place = f"{file}, data.train"
    if data.guard:
        configs = ((f"{place}[{index}]", table.config) for index, table in enumerate(data.train))
        check_files(data.guard, configs, folder, f"{file}, data")
    guard = Guard()
    for table in data.evaluation:
        source = source_of(table)
        evaluated = read_source(host, source, folder, f"{file}, data.evaluation")
        guard.add(evaluated.examples, corpus_of(source.reader, source.config, source.corpus))
    found = []
    for index, table in enumerate(data.train):
        where = place if len(data.train) == 1 else f"{place}[{index}]"
        found.append(_read_one(data, table, guard, host, folder, where, needs))
    return tuple(found)


def read_switching(data: DataSection, host: Host, folder: Path, file: str) -> Switching | None:
    """How training rows are switched, where the recipe says so. Raises `DataError`."""
    table = data.code_switching
    if table is None:
        return None
    where = f"{file}, data.code_switching.dictionary"
    read = [read_source(host, source_of(one), folder, where, ("translation",)) for one in table.dictionary]
    dictionary = Dictionary.of(example for each in read for example in each.examples)
    if not dictionary.translations:
        raise DataError("the dictionary has no entry with words", where=where, fix="name another")
    sha256 = hashlib.sha256("\n".join(each.sha256 for each in read).encode()).hexdigest()
    return Switching(dictionary, table.share, table.rows, sha256)


def data_notes(datasets: Iterable[Dataset], overlaps: Overlaps, switching: Switching | None = None) -> Iterator[str]:
    """A line for whatever cleaning, guard, shots and dictionary found.

    Args:
        overlaps: what is done with rows that are in the evaluation data.
    """
    for data in datasets:
        if data.cleaning is not None:
            yield f"{data.source}: {data.cleaning}"
        if data.overlap is not None and data.overlap.count:
            done = ", and are left out" if overlaps == "drop" else ""
            yield f"{data.source}: {data.overlap}{done}"
        if data.shots is not None:
            yield f"{data.source}: {data.shots}"
    if switching is not None:
        yield f"code-switching: {switching.dictionary.counts}"


def imbalance_note(recipe: Recipe, datasets: Iterable[Dataset], host: Host) -> str | None:
    """A line where a new head's labels have very uneven numbers of rows and the recipe does nothing about that."""
    head = recipe.head
    if head is None or recipe.data.sampling is not None or head.config.get("class_weights") is not None:
        return None
    spec = host.spec(HeadSpec, head.kind)
    # Of other heads the label is a number, or none at all.
    if spec.labels is not None or "label" not in spec.needs:
        return None
    found = imbalance_of(example for data in datasets for example in data.examples)
    if found is None:
        return None
    weights = 'set head.class_weights = "balanced", or ' if "class_weights" in spec.config.model_fields else "set "
    return f'{found}; {weights}data.sampling = "balanced", to have the rare ones learned'


def _read_one(
    data: DataSection, table: DataTable, guard: Guard, host: Host, folder: Path, where: str, needs: Sequence[str]
) -> Dataset:
    source = source_of(table)
    counts = Counts() if data.cleaning is not None else None
    overlap = Overlap() if data.evaluation else None
    corpus = corpus_of(source.reader, source.config, source.corpus)

    def keep(examples: Iterable[Example]) -> Iterable[Example]:
        if overlap is not None:
            # Before cleaning, which may cut away what a row is known by.
            examples = guard.watch(examples, corpus, overlap, drop=data.overlap == "drop")
        if data.cleaning is not None and counts is not None:
            examples = clean(examples, data.cleaning, counts)
        return examples

    try:
        dataset = read_source(host, source, folder, where, needs, keep)
    except DataError as error:
        # Where nothing is left, what was left out says why.
        left = [str(found) for found in (overlap, counts) if found is not None and found.rows]
        if error.what == "no examples" and left:
            raise DataError(f"no examples are left ({'; '.join(left)})", where=error.where, fix=error.fix) from None
        raise
    if overlap is not None and overlap.count and data.overlap == "refuse":
        fix = 'train on something else, or set data.overlap = "drop" to leave them out'
        if overlap.key:
            fix += "; where the keys of both are of different things, say so by corpus"
        raise DataError(str(overlap), where=where, fix=fix)
    return replace(dataset, cleaning=counts, overlap=overlap)
