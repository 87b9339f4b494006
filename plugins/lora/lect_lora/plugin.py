"""Registers LoRA, its relatives, whatever else `peft` has for linear projections, and the format of PEFT folders."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect import BuildContext, FormatSpec, MergedPart, MergeSpec, Merging, MethodSpec, hookimpl
from lect_lora.config import (
    AdaloraConfig,
    AnyPeftConfig,
    DoraConfig,
    Ia3Config,
    LoraConfig,
    PeftConfig,
    PissaConfig,
    VeraConfig,
)
from lect_lora.formats.detect import detect_folder

if TYPE_CHECKING:
    from lect import Backbone, Part
    from lect.exchange import Contents


def _build(config: PeftConfig, context: BuildContext) -> Part:
    from lect_lora.build import build_part

    return build_part(config, context.backbone, fresh=context.corpus is not None)


def _in_layers(config: PeftConfig, layers: Sequence[int], backbone: Backbone) -> Mapping[str, Any]:
    from lect_lora.build import in_layers

    return in_layers(config, layers, backbone)


def _read(folder: Path, backbone: Backbone) -> Contents:
    from lect_lora.formats.folder import read_folder

    return read_folder(folder, backbone)


def _write(contents: Contents, backbone: Backbone, folder: Path) -> Sequence[str]:
    from lect_lora.formats.folder import write_folder

    return write_folder(contents, backbone, folder)


def _merge(members: Sequence[tuple[PeftConfig, Part]], merging: Merging, context: BuildContext) -> MergedPart:
    from lect_lora.merging import merge_parts

    return merge_parts(members, merging, context)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """One method for each well-known name, and `peft` for all others."""
    return tuple(
        MethodSpec(name, summary, config, _build, merge=_merge, in_layers=_in_layers)
        for name, summary, config in (
            ("lora", "low-rank matrices beside each projection", LoraConfig),
            ("dora", "LoRA with a trained magnitude for each weight", DoraConfig),
            ("pissa", "LoRA that starts from each weight's principal part", PissaConfig),
            ("vera", "trained vectors between shared random matrices", VeraConfig),
            ("adalora", "LoRA whose ranks shrink where they matter least", AdaloraConfig),
            ("ia3", "trained factors for what projections give or take", Ia3Config),
            ("peft", "any other method of peft for linear projections, by its name", AnyPeftConfig),
        )
    )


@hookimpl
def lect_register_formats() -> Iterable[FormatSpec]:
    """PEFT folders."""
    return (
        FormatSpec(
            name="peft",
            summary="PEFT folders: LoRA and its relatives, with a classifier where lect has one like it",
            detect=detect_folder,
            read=_read,
            write=_write,
        ),
    )


@hookimpl
def lect_register_merges() -> Iterable[MergeSpec]:
    """The merges of `peft`."""
    from lect_lora.merges import MERGES

    return MERGES
