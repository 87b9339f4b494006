"""Registers folders that TensorFlow or Keras wrote as backbones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lect import CheckpointSpec, Progress, hookimpl


def _detect(folder: Path) -> Sequence[Path]:
    from lect_tensorflow.layout import find_files

    return find_files(folder)


def _convert(folder: Path, target: Path, progress: Progress) -> Sequence[str]:
    from lect_tensorflow.convert import convert

    return convert(folder, target, progress)


@hookimpl
def lect_register_checkpoints() -> Iterable[CheckpointSpec]:
    """Encoders like BERT in TensorFlow's formats."""
    return (
        CheckpointSpec(
            name="tensorflow",
            summary="BERT, mBERT, LaBSE and ALBERT as TensorFlow checkpoints, SavedModels or Keras files",
            detect=_detect,
            convert=_convert,
        ),
    )
