"""Merges of parts that `peft` made: of LoRA by the changes of weights, never by the factors.

A LoRA changes a weight by ``D = s B A``. The sum ``Σ w_i D_i`` is no ``(Σ w_i B_i) (Σ w_i A_i)``. Its exact form puts
the factors beside each other, as `peft`'s ``cat`` does: ``[w_1 s_1 B_1 | w_2 s_2 B_2 | ...] [A_1; A_2; ...]``, of the
ranks' sum. Other merges (TIES, DARE, pruning) work on the ``D_i`` themselves, and what they give is brought to that
rank by its largest singular values, as by `peft`'s ``ties_svd`` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import torch
from peft.tuners.adalora.layer import AdaLoraLayer
from peft.tuners.lora.layer import LoraLayer
from torch import Tensor

from lect import MergedPart, Merging, StackError
from lect_lora.base import base_of
from lect_lora.build import build_part
from lect_lora.config import Ia3Config, LoraConfig, PeftConfig
from lect_lora.part import ADAPTER, PeftPart

if TYPE_CHECKING:
    from lect import Backbone, BuildContext, Part

Factors = tuple[Tensor, Tensor]
"""A change of a weight as a product. *Shapes:* ``(out, rank)`` and ``(rank, in)``."""


def merge_parts(members: Sequence[tuple[PeftConfig, Part]], merging: Merging, context: BuildContext) -> MergedPart:
    """One part of several of one method: of LoRA, PiSSA and AdaLoRA a LoRA, of IA3 an IA3.

    Raises:
        StackError: the method's changes cannot be added.
    """
    config = members[0][0]
    parts = [part for _, part in members if isinstance(part, PeftPart)]
    if isinstance(config, Ia3Config):
        return _merge_scales(
            [config for config, _ in members if isinstance(config, Ia3Config)], parts, merging, context
        )
    factors = [factors_of(member, part) for (member, _), part in zip(members, parts, strict=True)]
    sites = list(dict.fromkeys(site for table in factors for site in table))
    if merging.is_linear:
        products = {site: _beside(site, factors, merging.weights) for site in sites}
    else:
        products = {site: _combined(site, factors, merging, context.backbone) for site in sites}
    rank = max(right.shape[0] for _, right in products.values())
    targets = config.target_modules
    if any(member.target_modules != targets for member, _ in members):
        targets = tuple(sites)
    merged = LoraConfig.model_validate(
        {"r": rank, "lora_alpha": rank, "target_modules": list(targets) if isinstance(targets, tuple) else targets}
    )
    part = build_part(merged, context.backbone, fresh=False)
    with torch.no_grad():
        for site, (left, right) in products.items():
            layer = part.linears.get_submodule(site)
            layer.lora_A[ADAPTER].weight.zero_()[: len(right)] = right
            layer.lora_B[ADAPTER].weight.zero_()[:, : len(right)] = left
    return MergedPart("lora", merged.model_dump(mode="json", exclude_none=True), part)


def factors_of(config: PeftConfig, part: PeftPart) -> dict[str, Factors]:
    """What a part adds to each weight."""
    found = {}
    for site in part.sites():
        layer = part.linears.get_submodule(site)
        if isinstance(layer, AdaLoraLayer):
            scaling = layer.scaling[ADAPTER] / (layer.ranknum[ADAPTER] + 1e-5)
            found[site] = (
                layer.lora_B[ADAPTER].detach() * scaling,
                (layer.lora_A[ADAPTER] * layer.lora_E[ADAPTER]).detach(),
            )
            continue
        if not isinstance(layer, LoraLayer) or not layer.lora_A or layer.use_dora.get(ADAPTER):
            _refuse(config, "its changes of weights are no sums of products")
        if layer.lora_variant or layer.lora_bias[ADAPTER]:
            _refuse(config, "it changes more than the weight")
        left = layer.lora_B[ADAPTER].weight.detach() * layer.scaling[ADAPTER]
        right = layer.lora_A[ADAPTER].weight.detach()
        base = base_of(layer)
        if base.share_A is not None:
            left, right = torch.cat([left, -base.share_B], 1), torch.cat([right, base.share_A], 0)
        found[site] = (left, right)
    return found


def _beside(site: str, factors: Sequence[Mapping[str, Factors]], weights: Sequence[float]) -> Factors:
    chosen = [(weight, *table[site]) for weight, table in zip(weights, factors, strict=True) if site in table]
    left = torch.cat([weight * left for weight, left, _ in chosen], 1)
    return left, torch.cat([right for _, _, right in chosen], 0)


def _combined(site: str, factors: Sequence[Mapping[str, Factors]], merging: Merging, backbone: Backbone) -> Factors:
    weight = backbone.module(site).weight
    nothing = torch.zeros(weight.shape)
    deltas = [table[site][0] @ table[site][1] if site in table else nothing for table in factors]
    rank = min(sum(len(table[site][1]) for table in factors if site in table), *weight.shape)
    left, values, right = torch.linalg.svd(merging.combine(site, deltas), full_matrices=False)
    return left[:, :rank] * values[:rank], right[:rank]


def _merge_scales(
    configs: Sequence[Ia3Config], parts: Sequence[PeftPart], merging: Merging, context: BuildContext
) -> MergedPart:
    """Of IA3, which scales by ``l``: the arithmetic is on ``l - 1``, which is 0 where nothing changes."""
    values = [config.model_dump(mode="json", exclude_none=True) for config in configs]
    if any(value != values[0] for value in values):
        raise StackError(
            "they scale other projections", fix="train them with the same settings, or put their outputs side by side"
        )
    part = build_part(configs[0], context.backbone, fresh=False)
    tables = [dict(each.named_parameters()) for each in parts]
    with torch.no_grad():
        for name, parameter in part.named_parameters():
            parameter.copy_(1 + merging.combine(name, [table[name].detach() - 1 for table in tables]))
    return MergedPart("ia3", values[0], part)


def _refuse(config: PeftConfig, reason: str) -> NoReturn:
    name = "dora" if config.settings.get("use_dora") else config.method.lower()
    raise StackError(
        f'parts of the method "{name}" cannot be merged: {reason}',
        fix="put their outputs side by side instead, as in mix(0.5*lang:a, 0.5*lang:b)",
    )
