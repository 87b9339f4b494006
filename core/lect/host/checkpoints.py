"""Folders that other frameworks wrote, as backbones: recognised by a plugin, and converted once into the cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lect.cache import cache_folder, is_whole, make_once, mark_whole
from lect.errors import BackboneError, PluginError
from lect.files import folder_aside
from lect.host.bundled import installable
from lect.host.records import Provided
from lect.literals import Progress
from lect.remembered import remembered_hash
from lect.specs import CheckpointSpec

if TYPE_CHECKING:
    from lect.host.host import Host


@dataclass(frozen=True)
class Checkpoint:
    """A folder that another framework wrote, and the plugin that reads it.

    Args:
        files: those of its files that the model is made of.
    """

    folder: Path
    files: tuple[Path, ...]
    provided: Provided[CheckpointSpec]

    @property
    def format(self) -> str:
        """The name of the format."""
        return self.provided.spec.name


def find_checkpoint(folder: Path, host: Host) -> Checkpoint | None:
    """What another framework wrote into a folder; None where it is one that `transformers` loads, or holds no model.

    Raises:
        BackboneError: it holds no model that is known here, and a plugin that is not installed may know it.
        PluginError: more than one plugin recognises it.
    """
    holds_config = (folder / "config.json").is_file()
    if holds_config and any(folder.glob("*.safetensors")):
        return None
    found = []
    formats = host.specs(CheckpointSpec)
    for provided in formats.values():
        with host.attributed(provided) as spec:
            files = spec.detect(folder)
        if files:
            found.append(Checkpoint(folder, tuple(files), provided))
    if len(found) > 1:
        first, second = (checkpoint.provided.plugin for checkpoint in found[:2])
        raise PluginError(
            f"it is taken for a checkpoint of {found[0].format} and of {found[1].format}",
            where=str(folder),
            fix=f"use lect --no-plugin {first.name} or lect --no-plugin {second.name}",
        )
    if found:
        return found[0]
    missing = installable(CheckpointSpec.kind, formats)
    if missing and not holds_config and any(folder.iterdir()):
        raise BackboneError(
            "this folder holds no model",
            where=str(folder),
            fix="name one with config.json, model.safetensors and a tokenizer, or install the plugin that reads it: "
            + " or ".join(missing),
        )
    return None


def cached_conversion(checkpoint: Checkpoint, host: Host, progress: Progress) -> Path:
    """The folder in the cache that `transformers` loads, made of a checkpoint if it is not there.

    It is found again by the content of the checkpoint's files, wherever these lie.

    Raises:
        BackboneError: the checkpoint cannot be read, or converted.
        UserError: the cache cannot be written.
    """
    made_from = {"checkpoint": checkpoint.format, "content": _content(checkpoint)}
    folder = cache_folder() / "backbones" / f"{checkpoint.format}-{made_from['content'][:16]}"

    def make() -> None:
        with folder_aside(folder) as aside:
            notices = convert(checkpoint, aside, host, progress)
            mark_whole(aside, {**made_from, "source": str(checkpoint.folder), "notices": notices})

    waiting = f"waiting for another process that converts {checkpoint.folder.name}"
    return make_once(folder, lambda: is_whole(folder, made_from), make, lambda: progress(waiting, 0.0))


def convert(checkpoint: Checkpoint, target: Path, host: Host, progress: Progress) -> list[str]:
    """Write what `transformers` loads into an empty folder.

    Returns:
        A line for each thing that was left out, or that a user must know.

    Raises:
        BackboneError: the checkpoint cannot be read, or converted.
    """
    with host.attributed(checkpoint.provided) as spec:
        return list(spec.convert(checkpoint.folder, target, progress))


def _content(checkpoint: Checkpoint) -> str:
    """A hash over what the converted folder depends on."""
    spec = checkpoint.provided.spec
    try:
        files = sorted(checkpoint.files)
        hashes = [[file.relative_to(checkpoint.folder).as_posix(), remembered_hash(file)] for file in files]
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise BackboneError(f"it cannot be read ({what})", where=str(error.filename or checkpoint.folder)) from error
    return hashlib.sha256(json.dumps([spec.name, spec.layout, hashes]).encode()).hexdigest()
