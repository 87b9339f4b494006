"""What a folder of another library holds, in the words of `lect`; and how its files are read without running them.

Importing this module imports no torch, so that plugins can look at folders quickly.
"""

from __future__ import annotations

import json
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, NoReturn

from lect.errors import ComponentError
from lect.literals import Role
from lect.weight_files import check_weights

if TYPE_CHECKING:
    from torch import Tensor

MAX_JSON_BYTES = 64 * 2**20
LABELS_MADE_UP = "the folder does not name its labels: they are called LABEL_0, LABEL_1, …; name them with --labels"
_ENTITY_PREFIXES = ("B", "I", "E", "S")
MOST_UNPACKED = 8
"""How many times its size an archive may unpack to, beside as much as a JSON file may have."""
_AS_SAFETENSORS = "get the weights as safetensors"


@dataclass(frozen=True)
class ForeignFolder:
    """What a folder of another library says of itself, before its weights are read.

    Args:
        name: what the other library calls the part; "" where it gives no name.
        backbone: the hub id or folder of the model it was trained on.
        model_type: that model's family, as `transformers` calls it.
        hidden_size: that model's width.
        generates: whether it acts on the decoder of an encoder-decoder, too.
    """

    name: str = ""
    backbone: str | None = None
    model_type: str | None = None
    hidden_size: int | None = None
    generates: bool = False


@dataclass(frozen=True)
class PartContents:
    """One part of a component.

    Args:
        config: of the registered method of this name, as a recipe would give it.
        tensors: every parameter and buffer of the part that the method builds, by its name there.
    """

    method: str
    config: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class HeadContents:
    """A component's head.

    Args:
        config: of the registered head of this kind, as a recipe would give it.
        labels: in the order of its outputs.
        tensors: every parameter and buffer of the head, by its name there.
    """

    kind: str
    config: Mapping[str, Any]
    labels: tuple[str, ...]
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True)
class Contents:
    """A component between two libraries.

    Args:
        role: None where the other library's folder does not tell.
        tokenizer_json: in the format of the `tokenizers` library, where there are tokens of its own.
        notices: a line for each thing that the other library's folder holds and that is not in here.
    """

    name: str
    role: Role | None = None
    parts: tuple[PartContents, ...] = ()
    head: HeadContents | None = None
    tokenizer_json: str | None = None
    notices: tuple[str, ...] = field(default=())


def word_head_of(labels: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The kind of head that gives each word one of these labels, and its configuration: entities where all are tags."""
    prefixes = {label.partition("-")[0] for label in labels if label != "O" and label.partition("-")[2]}
    entities = [label for label in labels if label.partition("-")[0] in _ENTITY_PREFIXES and label.partition("-")[2]]
    if "O" not in labels or not entities or len(entities) + 1 < len(labels):
        return "pos", {}
    return "tagging", {"scheme": "bioes"} if prefixes & {"E", "S"} else {}


def with_labels(head: HeadContents, labels: Sequence[str]) -> HeadContents:
    """The head with these labels, in the order of its outputs.

    Raises:
        ValueError: they are not as many as it has outputs, or one is there twice.
    """
    if len(labels) != len(head.labels):
        raise ValueError(f"{len(labels)} labels are given, and the head has {len(head.labels)} outputs")
    if twice := next((label for label in labels if list(labels).count(label) > 1), None):
        raise ValueError(f'the label "{twice}" is given twice')
    if head.kind not in ("pos", "tagging"):
        return replace(head, labels=tuple(labels))
    kind, own = word_head_of(labels)
    config = {name: value for name, value in head.config.items() if name != "scheme"}
    return replace(head, kind=kind, config={**config, **own}, labels=tuple(labels))


def read_json(file: Path) -> dict[str, Any]:
    """The table in a JSON file. Raises `ComponentError` where it holds none."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_JSON_BYTES + 1)
    except OSError as problem:
        _refuse(file, f"cannot be read ({problem.strerror or problem})")
    if len(content) > MAX_JSON_BYTES:
        _refuse(file, f"is larger than {MAX_JSON_BYTES:,} bytes")
    try:
        values = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        _refuse(file, "is not valid JSON")
    if not isinstance(values, dict):
        _refuse(file, "is not a table of settings")
    return values


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write settings as these libraries do: indented, in alphabetical order."""
    file.write_text(json.dumps(values, indent=2, sort_keys=True), encoding="utf-8")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, or of a pickle that holds nothing but tensors, by name and on the CPU.

    Raises:
        ComponentError: it is cut short or otherwise broken, or a pickle with anything else in it, which is not run.
    """
    from torch import Tensor

    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        check_weights(file)
        return dict(load_file(file))
    values = _unpickled(file)
    if not isinstance(values, Mapping) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in values.items()
    ):
        _refuse(file, "holds something else than tensors by name")
    return {name: _owned(file, value).detach() for name, value in values.items()}


def read_tensor(file: Path) -> Tensor:
    """The one tensor that a pickle holds. Raises as `read_tensors`."""
    from torch import Tensor

    value = _unpickled(file)
    if not isinstance(value, Tensor):
        _refuse(file, "holds something else than one tensor")
    return _owned(file, value).detach()


def _owned(file: Path, tensor: Tensor) -> Tensor:
    """The tensor, which holds as many values as were read: a view can claim any shape over a single one."""
    if tensor.is_sparse or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        _refuse(file, f"holds a tensor of shape {tuple(tensor.shape)} and not the values for it", _AS_SAFETENSORS)
    return tensor


def check_unpacked_size(file: Path, unpacked: int | None = None, *, fix: str) -> None:
    """Refuse a file that becomes much larger than it is: what models are saved in is hardly packed.

    Args:
        unpacked: the bytes that it says to hold; of a ZIP archive those of all that is in it.
        fix: what a user may do.

    Raises:
        ComponentError: it would.
    """
    try:
        size = file.stat().st_size
        if unpacked is None:
            with zipfile.ZipFile(file) as archive:
                unpacked = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError):
        # No archive, or a broken one: what reads it says so.
        return
    if unpacked > MOST_UNPACKED * size + MAX_JSON_BYTES:
        _refuse(file, f"has {size:,} bytes and would unpack to {unpacked:,}", fix)


def _unpickled(file: Path) -> Any:
    import torch

    check_unpacked_size(file, fix=_AS_SAFETENSORS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(file, map_location="cpu", weights_only=True)
    except UnpicklingError as problem:
        if found := re.search(r"(?:GLOBAL|class) ([A-Za-z_][\w.]*)", str(problem)):
            _refuse(
                file,
                f"is a pickle with code in it ({found[1]}), which lect never runs",
                _AS_SAFETENSORS,
            )
        _refuse(file, "cannot be read as tensors, and lect reads no other pickle", _AS_SAFETENSORS)
    except Exception as problem:  # the reader of a broken file raises whatever its bytes lead it to
        reason = " ".join(str(problem).split("\n")[0].split()) or type(problem).__name__
        _refuse(file, f"cannot be read as tensors ({reason[:120].rstrip('.')})")


def _refuse(file: Path, what: str, fix: str = "fetch the folder again") -> NoReturn:
    raise ComponentError(what, where=str(file), fix=fix)
