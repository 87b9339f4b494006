"""The reader of Hugging Face's data sets: a folder that `datasets` saved, files it reads, or a data set of the hub."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from lect.builtins.readers import RowsConfig, examples_of
from lect.data.examples import Example
from lect.data.tables import Row
from lect.errors import DataError, nearest
from lect.specs import ReaderSpec

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_FILES = {".parquet": "parquet", ".arrow": "arrow", ".json": "json", ".jsonl": "json", ".csv": "csv", ".txt": "text"}


class DatasetsConfig(RowsConfig):
    """As `RowsConfig`, of a data set; a column inside another is written ``translation.en``.

    A label that is one of a `ClassLabel` is read by its name.

    Args:
        path: a folder that ``save_to_disk`` wrote, a folder or file that `datasets` reads, or a data set's id on the
            hub. What lies there is only read: no data set's own code runs.
        split: ``train``, or a slice such as ``train[:10%]`` of a data set of the hub.
        name: the configuration of a data set of the hub, such as a language.
        revision: the hub's commit or tag.
    """

    path: Annotated[str, Field(min_length=1)]
    split: str = "train"
    name: str | None = None
    revision: str | None = None


def read_datasets(config: DatasetsConfig, folder: Path) -> Iterator[Example]:
    """The rows of one split.

    Raises:
        DataError: `datasets` is not installed, there is no such data set or split, or the hub cannot be reached.
    """
    return islice(examples_of(config, [(folder, config.path)], lambda path, where: _rows(config, path)), config.limit)


def _rows(config: DatasetsConfig, folder: Path) -> Iterator[Row]:
    try:
        import datasets
    except ImportError:
        raise DataError(
            "`datasets` is not installed", where=config.path, fix='install it: pip install "lect[datasets]"'
        ) from None
    data = _opened(datasets, config, folder / Path(config.path).expanduser())
    labels = dict(_label_names(data.features or {}))
    for number, row in enumerate(data, start=1):
        where = f"{config.path}, {config.split}, row {number}"
        yield Row(dict(_flat(row, labels)), where, where)


def _label_names(features: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The names of labels, by the columns of them or of lists of them."""
    for name, feature in features.items():
        own = getattr(feature, "feature", feature)
        if hasattr(own, "int2str"):
            yield name, own.names


def _name_of(value: Any, names: list[str]) -> Any:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _opened(datasets: Any, config: DatasetsConfig, path: Path) -> Any:
    """The split, as an iterable of rows with features."""
    split = config.split
    try:
        if path.is_file():
            form = next((form for ending, form in _FILES.items() if ending in path.suffixes), None)
            if form is None:
                raise DataError(
                    f'`datasets` reads no file that ends in "{path.suffix}"',
                    where=config.path,
                    fix=f"name one that ends in {', '.join(_FILES)}",
                )
            # Streamed, as the whole file would be copied into the cache otherwise.
            return datasets.load_dataset(form, data_files={split: str(path)}, split=split, streaming=True)
        if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
            saved = datasets.load_from_disk(str(path))
            if not isinstance(saved, Mapping):
                return saved
            if split not in saved:
                raise DataError(f'no split "{split}"', where=config.path, fix=nearest(split, saved))
            return saved[split]
        if path.is_dir():
            return datasets.load_dataset(str(path), split=split, streaming=True)
        if not _HUB_ID.fullmatch(config.path):
            raise DataError("no such file or folder", where=config.path, fix="correct the path")
        return datasets.load_dataset(config.path, config.name, split=split, revision=config.revision)
    except DataError:
        raise
    except Exception as error:
        # `datasets` raises whatever the format's library does, and a dozen kinds where the hub cannot be reached.
        raise _refusal(error, config, path) from None


def _refusal(error: Exception, config: DatasetsConfig, path: Path) -> DataError:
    said = " ".join(str(error).split())[:200]
    if path.exists():
        return DataError(f"`datasets` cannot read it ({type(error).__name__}: {said})", where=config.path)
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if "DatasetNotFoundError" in kinds or "ConnectionError" in kinds or "OfflineModeIsEnabled" in kinds:
        return DataError(
            "no such file or folder here, and the hub has no such data set or cannot be reached",
            where=config.path,
            fix="correct the path or id; offline, download it before and name its folder",
        )
    return DataError(f"`datasets` cannot load it ({type(error).__name__}: {said})", where=config.path)


def _flat(row: Mapping[str, Any], labels: Mapping[str, list[str]], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        full = f"{before}{name}"
        if isinstance(value, Mapping):
            yield from _flat(value, labels, f"{full}.")
        elif full in labels and isinstance(value, list):
            yield full, [_name_of(each, labels[full]) for each in value]
        # Rows without a label are often given -1.
        elif full in labels and isinstance(value, int) and 0 <= value < len(labels[full]):
            yield full, labels[full][value]
        else:
            yield full, value


READERS: tuple[ReaderSpec, ...] = (
    ReaderSpec(
        name="datasets",
        summary="Hugging Face `datasets`: a saved folder, local files, or the hub",
        config=DatasetsConfig,
        read=read_datasets,
        endings=(".parquet", ".arrow"),
    ),
)
