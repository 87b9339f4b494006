"""A checkpoint's settings and tensors, read without running anything that is in it."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, NoReturn

from lect import BackboneError

if TYPE_CHECKING:
    from torch import Tensor

_AGAIN = "fetch or save it again"
_NO_DEFAULT = object()


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds of its model.

    Args:
        file: for messages; of one in several shards the first.
        settings: of the model and of its task, by fairseq's names.
        tensors: by fairseq's names.
    """

    file: Path
    settings: Mapping[str, Any]
    tensors: dict[str, Tensor]

    def setting(self, name: str, default: Any = _NO_DEFAULT) -> Any:
        """A setting of the model. Raises `BackboneError` where it has none and no default is given."""
        value = self.settings.get(name)
        if value is not None:
            return value
        if default is _NO_DEFAULT:
            raise BackboneError(f"its settings lack {name}", where=str(self.file))
        return default


def read_checkpoint(files: Sequence[Path]) -> Checkpoint:
    """The checkpoint in one file, or in the shards of several.

    Raises:
        BackboneError: a file is cut short or holds something else than settings and tensors.
    """
    from lect_fairseq.shards import joined

    states = [_read(file) for file in files]
    models = [_model_of(state, file) for state, file in zip(states, files, strict=True)]
    tensors = (
        models[0] if len(models) == 1 else joined(models, [state.get("shard_metadata") for state in states], files)
    )
    return Checkpoint(files[0], _settings(states[0], files[0]), tensors)


def _read(file: Path) -> dict[str, Any]:
    import torch

    with file.open("rb") as stream:
        is_archive = stream.read(4) == b"PK\x03\x04"
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(_allowed()):
            warnings.simplefilter("ignore")
            # Only the new format, an archive, can be read where it lies.
            state = torch.load(file, map_location="cpu", weights_only=True, mmap=is_archive or None)
    except UnpicklingError as problem:
        if found := re.search(r"(?:GLOBAL|class|function|type) ([A-Za-z_][\w.]*\.\w+)", str(problem)):
            _refuse(file, f"it is a pickle with a {found[1]} in it, which lect never runs", "save it without")
        _refuse(file, "it cannot be read as settings and tensors, and lect reads no other pickle", _AGAIN)
    except Exception as problem:  # the reader of a broken file raises whatever its bytes lead it to
        reason = " ".join(str(problem).split("\n")[0].split()) or type(problem).__name__
        _refuse(file, f"it is cut short or damaged ({reason[:120].rstrip('.')})", _AGAIN)
    if not isinstance(state, dict):
        _refuse(file, "it holds no checkpoint of fairseq", "name the folder that fairseq-train wrote")
    return state


def _allowed() -> list[Any]:
    """The types that settings and the record of a training hold, beside tensors and plain values."""
    import numpy as np

    numbers = [np.dtype, *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)}]
    scalar = np.float64(0).__reduce__()[0]
    return [
        argparse.Namespace,
        *numbers,
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
    ]


def _model_of(state: Mapping[str, Any], file: Path) -> dict[str, Tensor]:
    from torch import Tensor

    model = state.get("model")
    if not isinstance(model, Mapping) or not model:
        _refuse(file, 'it holds no "model"', "name the folder that fairseq-train wrote")
    tensors = {}
    for name, value in model.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            _refuse(file, f"its model holds a {type(value).__name__} where a tensor is due ({str(name)[:80]})", _AGAIN)
        if value.is_sparse or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            _refuse(file, f"its tensor {name} has shape {tuple(value.shape)} and not the values for it", _AGAIN)
        tensors[name] = value.detach()
    return tensors


def _settings(state: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Of newer versions ``cfg`` with a table each for model and task, of older ones ``args`` with all in one."""
    config = state.get("cfg")
    tables = [config.get("task"), config.get("model")] if isinstance(config, Mapping) else [state.get("args")]
    found: dict[str, Any] = {}
    for table in tables:
        found |= vars(table) if isinstance(table, argparse.Namespace) else table if isinstance(table, Mapping) else {}
    if not found:
        _refuse(file, "it has no settings (cfg or args), so that the number of heads is not known", _AGAIN)
    return found


def _refuse(file: Path, what: str, fix: str) -> NoReturn:
    raise BackboneError(what, where=str(file), fix=fix)
