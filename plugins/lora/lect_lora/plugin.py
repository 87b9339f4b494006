"""Registers LoRA, its relatives, and whatever else `peft` has for linear projections."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lect import BuildContext, MergedPart, MergeSpec, Merging, MethodSpec, hookimpl
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

if TYPE_CHECKING:
    from lect import Part


def _build(config: PeftConfig, context: BuildContext) -> Part:
    from lect_lora.build import build_part

    return build_part(config, context.backbone, fresh=context.corpus is not None)


def _merge(members: Sequence[tuple[PeftConfig, Part]], merging: Merging, context: BuildContext) -> MergedPart:
    from lect_lora.merging import merge_parts

    return merge_parts(members, merging, context)


@hookimpl
def lect_register_methods() -> Iterable[MethodSpec]:
    """One method for each well-known name, and `peft` for all others."""
    return (
        MethodSpec("lora", "low-rank matrices beside each projection", LoraConfig, _build, merge=_merge),
        MethodSpec("dora", "LoRA with a trained magnitude for each weight", DoraConfig, _build, merge=_merge),
        MethodSpec("pissa", "LoRA that starts from each weight's principal part", PissaConfig, _build, merge=_merge),
        MethodSpec("vera", "trained vectors between shared random matrices", VeraConfig, _build, merge=_merge),
        MethodSpec("adalora", "LoRA whose ranks shrink where they matter least", AdaloraConfig, _build, merge=_merge),
        MethodSpec("ia3", "trained factors for what projections give or take", Ia3Config, _build, merge=_merge),
        MethodSpec(
            "peft", "any other method of peft for linear projections, by its name", AnyPeftConfig, _build, merge=_merge
        ),
    )


@hookimpl
def lect_register_merges() -> Iterable[MergeSpec]:
    """The merges of `peft`."""
    from lect_lora.merges import MERGES

    return MERGES
