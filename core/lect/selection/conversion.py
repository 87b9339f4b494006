"""A checkpoint of another framework, written as a folder that `transformers` loads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lect.backbones.settings import FILE as SETTINGS
from lect.backbones.settings import folder_settings_text, read_folder_settings
from lect.errors import BackboneError
from lect.files import check_target, folder_aside
from lect.host.backbones import load_backbone
from lect.host.checkpoints import convert, find_checkpoint
from lect.literals import Progress, no_progress
from lect.specs import CheckpointSpec

if TYPE_CHECKING:
    from lect.host import Host


@dataclass(frozen=True)
class Conversion:
    """What was written.

    Args:
        format: the name of the format that was read.
        family: the ``model_type`` of what was written.
        parameters: of the half that reads, where it is an encoder-decoder.
        notices: a line for each thing that was left out, or that a user must know.
    """

    folder: Path
    format: str
    family: str
    parameters: int
    fingerprint: str
    notices: tuple[str, ...]


def convert_backbone(
    source: Path, folder: Path, host: Host, *, overwrite: bool = False, progress: Progress | None = None
) -> Conversion:
    """Write a checkpoint of another framework as `transformers` loads it, and load it once to see that it does.

    Raises:
        UserError: the checkpoint is of no known format or cannot be converted, or the folder holds something already.
    """
    if not source.is_dir():
        what = "it is a file, not a folder" if source.exists() else "there is no such folder"
        raise BackboneError(what, where=str(source), fix="name the folder that holds the checkpoint")
    check_target(folder, overwrite, lambda there: (there / SETTINGS).is_file() and (there / "config.json").is_file())
    settings = read_folder_settings(source)
    checkpoint = find_checkpoint(source, host)
    if checkpoint is None:
        if (source / "config.json").is_file():
            raise BackboneError("it is a folder of transformers already", where=str(source), fix="use it by its path")
        known = ", ".join(host.specs(CheckpointSpec)) or "none"
        raise BackboneError(
            f"this folder holds no checkpoint of a framework that is known here ({known})", where=str(source)
        )
    with folder_aside(folder) as aside:
        notices = convert(checkpoint, aside, host, progress or no_progress)
        (aside / SETTINGS).write_text(folder_settings_text(settings), encoding="utf-8")
        written = load_backbone(str(aside), host=host)
        parameters = sum(parameter.numel() for parameter in written.model.parameters())
        family, fingerprint = str(written.model.config.model_type), written.fingerprint
    return Conversion(folder, checkpoint.format, family, parameters, fingerprint, tuple(notices))
