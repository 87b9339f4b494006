"""What plugins register of backbones: those known by a name, and folders that other frameworks wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from lect.literals import Pooling, Progress
from lect.spec import Spec


@dataclass(frozen=True)
class BackboneSpec(Spec):
    """A backbone that is known by a short name.

    Args:
        prepare: makes the folder that `transformers` loads, in the cache, and returns it; quick where it is there.
        pooling: how a sentence vector is made of the hidden states: their mean, the first one or the last one.
        prefix: a text put before every input.
        identity: the hub id or package and its version, for manifests.
    """

    kind: ClassVar[str] = "backbone"
    hook: ClassVar[str] = "lect_register_backbones"

    prepare: Callable[[Progress], Path]
    identity: str
    pooling: Pooling = "mean"
    prefix: str = ""
    licence: str = ""


@dataclass(frozen=True)
class CheckpointSpec(Spec):
    """A way in which another framework lays a model and its tokenizer into a folder: such a folder is a backbone.

    Args:
        detect: the files of a folder that the model is made of; none where it is no folder of this framework. Quick,
            and without torch: what is in large files is not looked at.
        convert: from such a folder, writes into an empty one what `transformers` loads (``config.json``,
            ``model.safetensors``, ``tokenizer.json``, ``tokenizer_config.json``), and returns a line for each thing
            that it left out ("left out the head for …") or that a user must know. The same files give the same model.
            Nothing in the folder is run, and what would be wrong without a word is refused: tensors that have no place
            in the model, places that no tensor fills, other shapes. Raises `lect.errors.BackboneError`, which names
            the file.
        layout: raised where the same files are converted in another way than before.
    """

    kind: ClassVar[str] = "checkpoint"
    hook: ClassVar[str] = "lect_register_checkpoints"

    detect: Callable[[Path], Sequence[Path]]
    convert: Callable[[Path, Path, Progress], Sequence[str]]
    layout: int = 1
