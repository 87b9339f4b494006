"""A component on disk: a folder with its manifest, its weights as safetensors, its tokenizer and its card.

Nothing that is read here is ever executed or unpickled, and no size that a file states is believed before it is checked
against the file.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lect.errors import ComponentError
from lect.remembered import remembered_hash
from lect.storage.manifest import FILE, Manifest, manifest_text, read_manifest
from lect.weight_files import check_weights

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "weights.safetensors"
TOKENIZER = "tokenizer.json"
CARD = "README.md"
PROFILES = "languages.safetensors"
"""The profiles of its languages, by which texts are identified (`lect.languages.profiles`); some have none."""
MAX_TOKENIZER_BYTES = 128 * 2**20


@dataclass(frozen=True)
class StoredComponent:
    """A component as it was read.

    Args:
        tensors: on the CPU, as ``<method>.<name>`` or ``head.<name>``.
        tokenizer_json: in the format of the `tokenizers` library, where the component brings tokens of its own.
        members: the components that it stands on, by the names its manifest has for them, where they were read, too.
    """

    manifest: Manifest
    tensors: Mapping[str, Tensor]
    tokenizer_json: str | None
    folder: Path
    members: Mapping[str, StoredComponent] = field(default_factory=dict)

    @property
    def parameters(self) -> int:
        """How many numbers its weights are."""
        return sum(tensor.numel() for tensor in self.tensors.values())

    def __repr__(self) -> str:
        return f"<StoredComponent {self.manifest.key} {self.manifest.version}, {self.parameters:,} parameters>"


def write_component(
    folder: Path,
    manifest: Manifest,
    tensors: Mapping[str, Tensor],
    tokenizer_json: str | None,
    card: str,
    profiles: bytes | None = None,
) -> Path:
    """Write a component, whole or not at all: one that lay in the folder before stays until the new one is whole.

    Args:
        profiles: of its languages, where there are any (`lect.languages.profiles.profiles_bytes`).

    Returns:
        The folder.

    Raises:
        ComponentError: tensors that do not belong to the manifest, or hold NaN; a folder of something else.
        UserError: the disk is full, or the place cannot be written to.
    """
    from lect.files import folder_aside

    _check_tensors(manifest, tensors, str(folder))
    _check_place(folder)
    manifest = manifest.model_copy(update={"own_tokenizer": tokenizer_json is not None})
    texts = {FILE: manifest_text(manifest), CARD: card}
    if tokenizer_json is not None:
        texts[TOKENIZER] = tokenizer_json
    with folder_aside(folder) as aside:
        _save_weights(aside / WEIGHTS, manifest, tensors)
        for name, text in texts.items():
            # A path from the file system may hold bytes that are no UTF-8.
            (aside / name).write_bytes(text.encode("utf-8", "replace"))
        if profiles is not None:
            (aside / PROFILES).write_bytes(profiles)
    return folder


def try_place(folder: Path, size: int = 0) -> None:
    """Refuse a folder that no component of so many bytes could be written to now, before it is made at some cost.

    Raises:
        ComponentError: it holds something else.
        UserError: the disk is full, or the place cannot be written to.
    """
    from lect.files import try_folder

    _check_place(folder)
    try_folder(folder, size)


def read_component(folder: Path) -> StoredComponent:
    """The component in a folder.

    Raises:
        ComponentError: it is not there, not whole, or not what its manifest says. Pickles, and links that leave the
            folder, are refused.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    manifest = read_folder_manifest(folder)
    weights = folder / WEIGHTS
    if not _is_there(folder, WEIGHTS):
        _refuse_missing_weights(folder)
    names = check_weights(weights)
    _check_names(manifest, names, str(weights))
    tokenizer_json = _read_tokenizer(folder, manifest)
    try:
        tensors = load_file(weights)
    except (SafetensorError, OSError, ValueError, KeyError) as problem:
        raise ComponentError(
            f"cannot be read ({' '.join(str(problem).split())})", where=str(weights), fix=_AGAIN
        ) from problem
    _check_tensors(manifest, tensors, str(weights))
    return StoredComponent(manifest, tensors, tokenizer_json, folder)


def read_folder_manifest(folder: Path) -> Manifest:
    """The manifest of the component in a folder; its weights are not looked at. Raises `ComponentError`."""
    if not folder.is_dir():
        what = "is a file, not a component's folder" if folder.exists() else "there is no such folder"
        raise ComponentError(what, where=str(folder), fix="name the folder that holds component.toml")
    if not _is_there(folder, FILE):
        foreign = "adapter_config.json"
        remark = f", but {foreign}: this is a component of another library" if (folder / foreign).exists() else ""
        raise ComponentError(
            f"there is no {FILE} in it{remark}", where=str(folder), fix="name the folder of a component of lect"
        )
    return read_manifest(folder / FILE)


def weights_hash(folder: Path) -> str:
    """SHA-256 of a component's weights, in hexadecimal digits."""
    return remembered_hash(folder / WEIGHTS)


def check_backbone(
    manifest: Manifest, backbone_fingerprint: str, *, name: str | None = None, where: str | None = None
) -> None:
    """Refuse a component on another backbone than its own.

    Args:
        name: what the loaded backbone is called.
        where: the component's folder.

    Raises:
        ComponentError: with both fingerprints, and the backbone that would be right.
    """
    own = manifest.backbone
    if own.fingerprint == backbone_fingerprint:
        return
    revision = f" at revision {own.revision}" if own.revision else ""
    loaded = f'"{name}"' if name else "the backbone that is loaded"
    raise ComponentError(
        f'"{manifest.key}" was trained on the backbone "{own.name}" ({own.identity}{revision}) with fingerprint '
        f"{own.fingerprint}, but {loaded} has {backbone_fingerprint}",
        where=where,
        fix=f'load "{own.name}", or train the component again on this one',
    )


def size_of(folder: Path) -> int:
    """The bytes of the files that make up a component."""
    size = 0
    for name in (FILE, WEIGHTS, TOKENIZER, CARD, PROFILES):
        with suppress(OSError):
            # A path as text: a library may hold thousands.
            found = os.stat(f"{folder}{os.sep}{name}")  # noqa: PTH116
            size += found.st_size if stat.S_ISREG(found.st_mode) else 0
    return size


_AGAIN = "fetch or train the component again"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib")


def _check_place(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()) and not (folder / FILE).exists():
        raise ComponentError(
            "the folder holds something else than a component", where=str(folder), fix="name another, or empty it"
        )


def _is_there(folder: Path, name: str) -> bool:
    """Whether the folder holds this file.

    Raises:
        ComponentError: it is a link to elsewhere, no plain file, or the folder cannot be looked into.
    """
    file = folder / name
    try:
        kind = os.lstat(file).st_mode
    except FileNotFoundError:
        return False
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ComponentError(f"cannot be read ({reason})", where=str(file), fix="mend its rights") from error
    if stat.S_ISLNK(kind):
        # Not by `resolve`, which refuses links that lead to themselves in an exception of its own.
        target = Path(os.path.realpath(file))
        if not target.is_relative_to(os.path.realpath(folder)):
            raise ComponentError("is a link that leaves the folder", where=str(file), fix="put the file itself there")
        if not target.exists():
            return False
        kind = target.stat().st_mode
    if not stat.S_ISREG(kind):
        raise ComponentError("is no plain file", where=str(file), fix=_AGAIN)
    return True


def _refuse_missing_weights(folder: Path) -> NoReturn:
    pickles = sorted(file.name for file in folder.iterdir() if file.suffix.lower() in _PICKLES)
    if pickles:
        raise ComponentError(
            f"{pickles[0]} is a pickle, which can run code when it is read; lect never opens one",
            where=str(folder),
            fix=f"get the component with its weights as {WEIGHTS}",
        )
    raise ComponentError(f"there is no {WEIGHTS} in it", where=str(folder), fix=_AGAIN)


def _read_tokenizer(folder: Path, manifest: Manifest) -> str | None:
    file = folder / TOKENIZER
    if not _is_there(folder, TOKENIZER):
        if manifest.own_tokenizer:
            raise ComponentError(f"there is no {TOKENIZER} in it, though {FILE} says so", where=str(folder), fix=_AGAIN)
        return None
    if not manifest.own_tokenizer:
        raise ComponentError(f"lies there though {FILE} does not say own_tokenizer = true", where=str(file), fix=_AGAIN)
    with file.open("rb") as stream:
        content = stream.read(MAX_TOKENIZER_BYTES + 1)
    if len(content) > MAX_TOKENIZER_BYTES:
        raise ComponentError(f"is larger than {MAX_TOKENIZER_BYTES:,} bytes", where=str(file), fix=_AGAIN)
    try:
        text = content.decode("utf-8")
        valid = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        valid = False
    if not valid:
        raise ComponentError("is not a tokenizer in JSON", where=str(file), fix=_AGAIN)
    return text


def _check_names(manifest: Manifest, names: tuple[str, ...], where: str) -> None:
    prefixes = {*manifest.methods, *(["head"] if manifest.head else [])}
    for name in names:
        if name.split(".", 1)[0] not in prefixes or "." not in name:
            raise ComponentError(
                f"the tensor {name[:80]!r} belongs to no part of the manifest ({', '.join(sorted(prefixes))})",
                where=where,
                fix=_AGAIN,
            )


def _check_tensors(manifest: Manifest, tensors: Mapping[str, Tensor], where: str) -> None:
    _check_names(manifest, tuple(tensors), where)
    for name, tensor in tensors.items():
        # Infinities may be meant, as in a mask; what is not a number never is.
        wide = tensor.float() if tensor.is_floating_point() and tensor.element_size() == 1 else tensor
        if bool(wide.isnan().any()):
            raise ComponentError(
                f'the tensor "{name}" holds values that are not numbers (NaN): its training went astray',
                where=where,
                fix="train the component again, with a lower learning rate or in float32",
            )


def _save_weights(file: Path, manifest: Manifest, tensors: Mapping[str, Tensor]) -> None:
    from safetensors.torch import save_file

    identity = {
        "schema": manifest.schema_version,
        "name": manifest.name,
        "role": manifest.role,
        "backbone": manifest.backbone.fingerprint,
    }
    # In one entry: safetensors writes several in random order, and the same component is to be the same bytes.
    metadata = {"lect": json.dumps(identity, ensure_ascii=False)}
    # Clones, since tensors that share memory (tied weights) cannot be saved as they are.
    owned = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    save_file(owned, file, metadata)
