"""A bottleneck's configuration with every field filled, and what of it cannot be built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from transformers.activations import ACT2FN

from lect import RecipeError, nearest

if TYPE_CHECKING:
    from lect import Backbone
    from lect_language.config import BottleneckConfig

#: Fields of ours, which `adapters` does not have.
_OURS = ("inv_adapter_before_projection", "inv_adapter_non_linearity")
_WHERE = 'method "bottleneck"'


@dataclass(frozen=True)
class BottleneckSettings:
    """The fields of ``adapters.BnConfig`` (version 1.3.0), in its order and with its defaults."""

    mh_adapter: bool
    output_adapter: bool
    reduction_factor: float | Mapping[str, float]
    non_linearity: str
    original_ln_before: bool = False
    original_ln_after: bool = True
    ln_before: bool = False
    ln_after: bool = False
    init_weights: str = "bert"
    init_weights_seed: int | None = None
    is_parallel: bool = False
    scaling: float | str = 1.0
    use_gating: bool = False
    residual_before_ln: bool | str = True
    adapter_residual_before_ln: bool = False
    inv_adapter: str | None = None
    inv_adapter_reduction_factor: float | None = None
    cross_adapter: bool = False
    leave_out: tuple[int, ...] = ()
    dropout: float = 0.0
    phm_layer: bool = False
    phm_dim: int = 4
    factorized_phm_W: bool = True  # noqa: N815 - the library's own name
    shared_W_phm: bool = False  # noqa: N815
    shared_phm_rule: bool = True
    factorized_phm_rule: bool = False
    phm_c_init: str = "normal"
    phm_init_range: float = 0.0001
    learn_phm: bool = True
    hypercomplex_nonlinearity: str = "glorot-uniform"
    phm_rank: int = 1
    phm_bias: bool = True
    stochastic_depth: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON holds them."""
        return {**asdict(self), "leave_out": list(self.leave_out)}

    def reduction_at(self, layer: int) -> float:
        """The reduction factor of a layer; 0 where it has none."""
        factor = self.reduction_factor
        if isinstance(factor, Mapping):
            return float(factor.get(str(layer), factor.get("default", 0)))
        return float(factor)


_SEQUENTIAL = BottleneckSettings(
    mh_adapter=False, output_adapter=True, reduction_factor=16, non_linearity="relu", original_ln_before=True
)
_DOUBLE = BottleneckSettings(mh_adapter=True, output_adapter=True, reduction_factor=16, non_linearity="swish")
_PARALLEL = BottleneckSettings(
    mh_adapter=False,
    output_adapter=True,
    reduction_factor=2,
    non_linearity="relu",
    init_weights="mam_adapter",
    is_parallel=True,
    scaling=4.0,
)


def _invertible(settings: BottleneckSettings) -> BottleneckSettings:
    return replace(settings, inv_adapter="nice", inv_adapter_reduction_factor=2.0)


def _kronecker(settings: BottleneckSettings) -> BottleneckSettings:
    return replace(settings, phm_layer=True, reduction_factor=32, non_linearity="gelu")


PRESETS: Mapping[str, BottleneckSettings] = {
    "seq_bn": _SEQUENTIAL,
    "double_seq_bn": _DOUBLE,
    "par_bn": _PARALLEL,
    "scaled_par_bn": replace(_PARALLEL, scaling="learned"),
    "seq_bn_inv": _invertible(_SEQUENTIAL),
    "double_seq_bn_inv": _invertible(_DOUBLE),
    "par_bn_inv": _invertible(_PARALLEL),
    "compacter": _kronecker(_DOUBLE),
    "compacter++": _kronecker(_SEQUENTIAL),
}
"""Those of ``ADAPTER_CONFIG_MAP`` in `adapters` 1.3.0 (configuration/adapter_config.py), and ``par_bn_inv``."""


def settings_of(config: BottleneckConfig) -> BottleneckSettings:
    """The preset with what is changed in it.

    Raises:
        RecipeError: there is no such activation, or the fields contradict each other.
    """
    settings = replace(PRESETS[config.preset], **config.model_dump(exclude={"preset", *_OURS}, exclude_none=True))
    if settings.inv_adapter == "none":
        settings = replace(settings, inv_adapter=None)
    if settings.inv_adapter is not None and settings.inv_adapter_reduction_factor is None:
        settings = replace(settings, inv_adapter_reduction_factor=2.0)
    if not isinstance(settings.scaling, str):
        settings = replace(settings, scaling=float(settings.scaling))
    factor = settings.reduction_factor
    if isinstance(factor, float) and factor.is_integer():
        settings = replace(settings, reduction_factor=int(factor))
    _check(settings)
    if config.inv_adapter_non_linearity is not None:
        _check_activation(config.inv_adapter_non_linearity, "inv_adapter_non_linearity")
    return settings


def in_layers(config: BottleneckConfig, layers: Sequence[int], backbone: Backbone) -> dict[str, Any]:
    """The fields that keep bottlenecks to these layers.

    Raises:
        RecipeError: the configuration says itself which layers, or has a part on the embeddings.
    """
    if config.leave_out is not None:
        raise RecipeError("the layers are said twice, by leave_out too", fix="keep one of both")
    if settings_of(config).inv_adapter is not None:
        raise RecipeError(
            f'"{config.preset}" acts on the embeddings too, below every layer',
            fix='set inv_adapter = "none", or leave layers out',
        )
    return {"leave_out": [number for number in range(len(backbone.anatomy.layers)) if number not in layers]}


def check_fits(settings: BottleneckSettings, backbone: Backbone) -> None:
    """Refuse what this backbone has no place for.

    Raises:
        RecipeError: a layer that is not there, a layer without a reduction factor, a norm that is not there, or
            projections that do not divide.
    """
    layers = range(len(backbone.anatomy.layers))
    last = f"its layers are 0 to {len(layers) - 1}"
    factor = settings.reduction_factor
    named = [int(key) for key in factor if key != "default"] if isinstance(factor, Mapping) else []
    for field, numbers in (("leave_out", settings.leave_out), ("reduction_factor", named)):
        for number in numbers:
            if number not in layers:
                raise RecipeError(f'"{backbone.name}" has no layer {number}', where=f"{_WHERE}, {field}", fix=last)
    acting = [number for number in layers if number not in settings.leave_out]
    if not acting and settings.inv_adapter is None:
        raise RecipeError("no layer is left", where=f"{_WHERE}, leave_out", fix="leave out fewer")
    for number in acting:
        if settings.reduction_at(number) <= 0:
            raise RecipeError(
                f"layer {number} has no reduction factor", where=f"{_WHERE}, reduction_factor", fix='add "default" = 16'
            )
    if settings.residual_before_ln == "post_add" and backbone.anatomy.layers[0].feed_forward.norm is None:
        raise RecipeError(
            f'"post_add" needs a norm after each block, and "{backbone.name}" has its norms before them',
            where=f"{_WHERE}, residual_before_ln",
            fix="use true or false",
        )
    if settings.inv_adapter is not None and backbone.anatomy.embeddings is None:
        raise RecipeError(
            f'"{backbone.name}" has no place for an invertible part: before version 5, transformers scales its '
            "embeddings outside of any module",
            where=f"{_WHERE}, inv_adapter",
            fix='install transformers 5 or newer, or set inv_adapter = "none"',
        )
    if settings.phm_layer:
        _check_divides(settings, acting, backbone.hidden_size)


def _check(settings: BottleneckSettings) -> None:
    if not (settings.mh_adapter or settings.output_adapter or settings.inv_adapter):
        raise RecipeError(
            "mh_adapter, output_adapter and inv_adapter are all off", where=_WHERE, fix="switch one of them on"
        )
    _check_activation(settings.non_linearity, "non_linearity")
    if settings.residual_before_ln == "post_add" and not settings.original_ln_before:
        raise RecipeError(
            '"post_add" means the sum that original_ln_before makes',
            where=f"{_WHERE}, residual_before_ln",
            fix="set original_ln_before = true",
        )
    if not settings.phm_layer:
        return
    if settings.init_weights != "bert":
        raise RecipeError(
            f'Kronecker products cannot be initialised as "{settings.init_weights}"',
            where=f"{_WHERE}, init_weights",
            fix='set init_weights = "bert"',
        )
    if settings.shared_W_phm and not settings.factorized_phm_W:
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


def _check_divides(settings: BottleneckSettings, layers: list[int], hidden_size: int) -> None:
    if settings.shared_W_phm and not isinstance(settings.reduction_factor, int):
        raise RecipeError(
            "layers that share their weights need one reduction factor, an integer",
            where=f"{_WHERE}, reduction_factor",
            fix="give a whole number",
        )
    for number in layers:
        size = max(int(hidden_size // settings.reduction_at(number)), 1)
        if hidden_size % settings.phm_dim or size % settings.phm_dim:
            raise RecipeError(
                f"neither may leave a remainder: hidden size {hidden_size} and bottleneck size {size} "
                f"over phm_dim {settings.phm_dim}",
                where=f"{_WHERE}, phm_dim",
                fix="choose a phm_dim that divides both, or another reduction_factor",
            )
