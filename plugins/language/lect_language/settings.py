"""From `lect`'s configuration to that of `adapters`, and what of it cannot work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adapters import BnConfig
from adapters.configuration import ADAPTER_CONFIG_MAP
from transformers.activations import ACT2FN

from lect import RecipeError, nearest

if TYPE_CHECKING:
    from lect import Backbone
    from lect_language.config import BottleneckConfig

#: Fields of ours alone.
_OURS = ("inv_adapter_before_projection", "inv_adapter_non_linearity")
_WHERE = 'method "bottleneck"'


def library_config(config: BottleneckConfig) -> BnConfig:
    """The preset with what is changed in it.

    Raises:
        RecipeError: `adapters` knows no such activation, or cannot build this combination.
    """
    preset = config.preset
    changes = config.model_dump(exclude={"preset", *_OURS}, exclude_none=True)
    base: BnConfig = ADAPTER_CONFIG_MAP[preset.removesuffix("_inv")]
    settings = base.to_dict()
    settings.pop("architecture", None)
    if preset.endswith("_inv"):
        settings.update(inv_adapter="nice", inv_adapter_reduction_factor=2.0)
    settings.update(changes)
    if settings["inv_adapter"] == "none":
        settings["inv_adapter"] = None
    if settings["inv_adapter"] is not None and settings["inv_adapter_reduction_factor"] is None:
        settings["inv_adapter_reduction_factor"] = 2.0
    if not isinstance(settings["scaling"], str):
        settings["scaling"] = float(settings["scaling"])  # the layer refuses an int
    factor = settings["reduction_factor"]
    if isinstance(factor, float) and factor.is_integer():
        settings["reduction_factor"] = int(factor)
    settings["leave_out"] = list(settings["leave_out"])
    _check(settings)
    if config.inv_adapter_non_linearity is not None:
        _check_activation(config.inv_adapter_non_linearity, "inv_adapter_non_linearity")
    return BnConfig(**settings)


def reduction_at(config: BnConfig, layer: int) -> float:
    """The reduction factor of a layer."""
    factor = config.reduction_factor
    if isinstance(factor, Mapping):
        return float(factor.get(str(layer), factor.get("default", 0)))
    return float(factor)


def check_fits(config: BnConfig, backbone: Backbone) -> None:
    """Refuse what this backbone has no place for.

    Raises:
        RecipeError: a layer that is not there, a layer without a reduction factor, a norm that is not there, or
            projections that do not divide.
    """
    layers = range(len(backbone.anatomy.layers))
    last = f"its layers are 0 to {len(layers) - 1}"
    named = [int(key) for key in config.reduction_factor if key != "default"] if _by_layer(config) else []
    for field, numbers in (("leave_out", config.leave_out), ("reduction_factor", named)):
        for number in numbers:
            if number not in layers:
                raise RecipeError(f'"{backbone.name}" has no layer {number}', where=f"{_WHERE}, {field}", fix=last)
    acting = [number for number in layers if number not in config.leave_out]
    if not acting and config.inv_adapter is None:
        raise RecipeError("no layer is left", where=f"{_WHERE}, leave_out", fix="leave out fewer")
    for number in acting:
        if reduction_at(config, number) <= 0:
            raise RecipeError(
                f"layer {number} has no reduction factor", where=f"{_WHERE}, reduction_factor", fix='add "default" = 16'
            )
    if config.residual_before_ln == "post_add" and backbone.anatomy.layers[0].feed_forward.norm is None:
        # adapters 1.3.0 fails there with an UnboundLocalError.
        raise RecipeError(
            f'"post_add" needs a norm after each block, and "{backbone.name}" has its norms before them',
            where=f"{_WHERE}, residual_before_ln",
            fix="use true or false",
        )
    if config.inv_adapter is not None and backbone.anatomy.embeddings is None:
        raise RecipeError(
            f'"{backbone.name}" has no place for an invertible part: before version 5, transformers scales its '
            "embeddings outside of any module",
            where=f"{_WHERE}, inv_adapter",
            fix='install transformers 5 or newer, or set inv_adapter = "none"',
        )
    if config.phm_layer:
        _check_divides(config, acting, backbone.hidden_size)


def _check(settings: Mapping[str, object]) -> None:
    if not (settings["mh_adapter"] or settings["output_adapter"] or settings["inv_adapter"]):
        raise RecipeError(
            "mh_adapter, output_adapter and inv_adapter are all off", where=_WHERE, fix="switch one of them on"
        )
    _check_activation(str(settings["non_linearity"]), "non_linearity")
    if settings["residual_before_ln"] == "post_add" and not settings["original_ln_before"]:
        raise RecipeError(
            '"post_add" means the sum that original_ln_before makes',
            where=f"{_WHERE}, residual_before_ln",
            fix="set original_ln_before = true",
        )
    if not settings["phm_layer"]:
        return
    # The library initialises a Kronecker layer as if it were a linear one, and fails.
    if settings["init_weights"] != "bert":
        raise RecipeError(
            f'Kronecker products cannot be initialised as "{settings["init_weights"]}"',
            where=f"{_WHERE}, init_weights",
            fix='set init_weights = "bert"',
        )
    if settings["shared_W_phm"] and not settings["factorized_phm_W"]:
        raise RecipeError(
            "weights that all layers share must be factorised (adapters 1.3.0 cannot make others)",
            where=f"{_WHERE}, shared_W_phm",
            fix="set factorized_phm_W = true",
        )


def _check_activation(name: str, field: str) -> None:
    if name.lower() not in ACT2FN and name.lower() != "leakyrelu":
        raise RecipeError(
            f'there is no activation "{name.lower()}"',
            where=f"{_WHERE}, {field}",
            fix=nearest(name.lower(), [*ACT2FN, "leakyrelu"]),
        )


def _check_divides(config: BnConfig, layers: list[int], hidden_size: int) -> None:
    if config.shared_W_phm and not isinstance(config.reduction_factor, int):
        raise RecipeError(
            "layers that share their weights need one reduction factor, an integer",
            where=f"{_WHERE}, reduction_factor",
            fix="give a whole number",
        )
    for number in layers:
        size = max(int(hidden_size // reduction_at(config, number)), 1)
        if hidden_size % config.phm_dim or size % config.phm_dim:
            raise RecipeError(
                f"neither may leave a remainder: hidden size {hidden_size} and bottleneck size {size} "
                f"over phm_dim {config.phm_dim}",
                where=f"{_WHERE}, phm_dim",
                fix="choose a phm_dim that divides both, or another reduction_factor",
            )


def _by_layer(config: BnConfig) -> bool:
    return isinstance(config.reduction_factor, Mapping)
