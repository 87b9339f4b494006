"""The variables of a model by their names, whichever of TensorFlow's formats they lie in; read when they are wanted."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import BackboneError
from lect.exchange import check_unpacked_size
from lect_tensorflow.bundle import Bundle

if TYPE_CHECKING:
    import numpy as np


_COPY = "copy it again"
#: What h5py raises where a file is damaged.
_DAMAGED = (OSError, ValueError, RuntimeError)


@dataclass(frozen=True)
class Variable:
    """One variable: its shape, how its values are read, and the bytes that they take then where a file says them."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    bytes: int = 0


@dataclass(frozen=True)
class Variables:
    """What a file of weights holds.

    Args:
        keras: the configuration of the Keras model, where the file has it; nothing of it is run.
    """

    path: Path
    by_name: Mapping[str, Variable]
    keras: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def open_variables(path: Path) -> Iterator[Variables]:
    """The variables in the index of a checkpoint, or in a Keras file, which stays open.

    Raises:
        BackboneError: it cannot be read, or two of its variables have one name.
        ComponentError: what is packed in it is many times as large as it is.
    """
    if path.suffix == ".index":
        yield _of_bundle(Bundle(path))
        return
    import h5py

    with ExitStack() as stack:
        keras: Any = {}
        source: Any = path
        try:
            if path.suffix == ".keras":
                check_unpacked_size(path, fix=_COPY)
                archive = stack.enter_context(zipfile.ZipFile(path))
                keras = json.loads(archive.read("config.json"))
                source = io.BytesIO(archive.read("model.weights.h5"))
            file = stack.enter_context(h5py.File(source, "r"))
            by_name = dict(_datasets(path, file))
            # What is packed in it, or said to be there and never written, is as large as it says once it is read.
            check_unpacked_size(path, sum(each.bytes for each in by_name.values()), fix=_COPY)
        except (*_DAMAGED, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            what = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BackboneError(f"it is no Keras file, or damaged ({what})", where=str(path), fix=_COPY) from error
        config = keras.get("config") if isinstance(keras, dict) else None
        yield Variables(path, by_name, config if isinstance(config, dict) else {})


def _of_bundle(bundle: Bundle) -> Variables:
    by_name: dict[str, Variable] = {}
    for key, name in bundle.full_names.items():
        # Beside weights, a checkpoint has what optimisers keep of each, which may have the weight's own name.
        known = key if "/.OPTIMIZER_SLOT/" in key or "/" not in name or name in by_name else name
        entry = bundle.entries[key]
        by_name[known] = Variable(entry.shape, lambda key=key: bundle.tensor(key))
    return Variables(bundle.index, by_name)


def _datasets(path: Path, file: Any) -> Iterator[tuple[str, Variable]]:
    import h5py

    found: list[tuple[str, Any]] = []
    file.visititems(lambda name, item: found.append((name, item)) if isinstance(item, h5py.Dataset) else None)
    for name, item in found:
        yield name.removesuffix(":0"), Variable(tuple(item.shape), lambda item=item: _values(path, item), item.nbytes)


def _values(path: Path, item: Any) -> np.ndarray:
    if item.external or item.is_virtual:
        raise BackboneError(f"{item.name} lies in another file, which is not read", where=str(path))
    try:
        values: np.ndarray = item[()]
    except _DAMAGED as error:
        raise BackboneError(f"{item.name} cannot be read: the file is cut short or damaged", where=str(path)) from error
    return values
