"""Registers the checkpoints of fairseq, and the reader of data that it has prepared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lect import CheckpointSpec, Progress, ReaderSpec, hookimpl


def _detect(folder: Path) -> Sequence[Path]:
    from lect_fairseq.files import files_of

    return files_of(folder)


def _convert(folder: Path, target: Path, progress: Progress) -> Sequence[str]:
    from lect_fairseq.convert import convert

    return convert(folder, target, progress)


@hookimpl
def lect_register_checkpoints() -> Iterable[CheckpointSpec]:
    """Folders with ``model.pt`` and ``dict.txt``."""
    summary = "fairseq's RoBERTa, XLM-R, mBART, M2M-100 and NLLB: model.pt with dict.txt and its subword model"
    return (CheckpointSpec("fairseq", summary, _detect, _convert),)


@hookimpl
def lect_register_readers() -> Iterable[ReaderSpec]:
    """``.idx`` and ``.bin`` with ``dict.txt``."""
    from lect_fairseq.reader import PREPARED

    return (PREPARED,)
