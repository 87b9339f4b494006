"""Methods that begin by moving a share of each weight into their own matrices, as LoRA that leaves the weights alone.

PiSSA and OLoRA compute ``(W - s B0 A0) + s B A``. As one product beside the whole weight that is
``[s B | -s B0] [A; A0]``, of twice the rank: what `peft` itself writes of them with
``path_initial_model_for_weight_conversion``. The folder then needs no decomposition that another machine, or another
draw, would make otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lect_lora.build import build_part, moves_weight
from lect_lora.config import LoraConfig
from lect_lora.merging import factors_of
from lect_lora.part import ADAPTER

if TYPE_CHECKING:
    from torch import Tensor

    from lect import Backbone
    from lect_lora.config import PeftConfig

_OWN = ("lora_dropout",)


def starts_in_weights(config: PeftConfig) -> bool:
    """Whether a method begins by moving a share of each weight, and its changes are products for all that."""
    settings = config.settings
    return moves_weight(config) and not settings.get("use_dora") and not settings.get("lora_bias")


def as_lora(
    config: PeftConfig, tensors: Mapping[str, Tensor], backbone: Backbone
) -> tuple[LoraConfig, dict[str, Tensor], tuple[str, ...]]:
    """The configuration and the tensors of a LoRA that does the same, and a line that says so."""
    part = build_part(config, backbone, fresh=False)
    part.load_state_dict(dict(tensors))
    factors = factors_of(config, part)
    ranks = {path: len(right) for path, (_, right) in factors.items()}
    rank = max(ranks.values())
    values: dict[str, Any] = {
        "r": rank,
        "lora_alpha": rank,
        "target_modules": list(ranks),
        **{name: value for name, value in config.settings.items() if name in _OWN},
    }
    if others := {path: own for path, own in ranks.items() if own != rank}:
        values |= {"rank_pattern": others, "alpha_pattern": others}
    found: dict[str, Tensor] = {}
    for path, (left, right) in factors.items():
        found[f"linears.{path}.lora_A.{ADAPTER}.weight"] = right
        found[f"linears.{path}.lora_B.{ADAPTER}.weight"] = left
    name = "PiSSA" if str(config.settings["init_lora_weights"]).lower().startswith("pissa") else "OLoRA"
    notice = f"written as LoRA of twice its rank ({rank}): as {name} it would need the weights it began from once more"
    return LoraConfig.model_validate(values), found, (notice,)
