"""The configuration of a bottleneck: a preset of `adapters` and what is changed in it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from lect import Config

Factor = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class BottleneckConfig(Config):
    """A bottleneck adapter. Every field but `preset` that is left out is as the preset has it."""

    preset: Literal[
        "seq_bn",
        "double_seq_bn",
        "par_bn",
        "scaled_par_bn",
        "seq_bn_inv",
        "double_seq_bn_inv",
        "par_bn_inv",
        "compacter",
        "compacter++",
    ] = Field(
        "seq_bn",
        description=(
            "seq_bn: after the feed-forward block (Pfeiffer et al. 2020); double_seq_bn: after both blocks (Houlsby "
            "et al. 2019); par_bn: beside the feed-forward block (He et al. 2021); _inv: with an invertible part on "
            "the embeddings; compacter: double_seq_bn or seq_bn (++) of Kronecker products (Mahabadi et al. 2021)"
        ),
    )
    reduction_factor: Factor | dict[str, Factor] | None = Field(
        None, description='hidden size over bottleneck size; or by layer, as { "0" = 8, "default" = 16 }'
    )
    non_linearity: str | None = Field(None, description="an activation of transformers, such as relu, gelu or swish")
    mh_adapter: bool | None = Field(None, description="one after each attention block")
    output_adapter: bool | None = Field(None, description="one after each feed-forward block")
    leave_out: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(None, description="layers without any, from 0")
    is_parallel: bool | None = Field(None, description="reads what the block's residual is, not what the block gives")
    scaling: Annotated[float, Field(allow_inf_nan=False)] | Literal["learned", "channel"] | None = Field(
        None,
        description="what the bottleneck's output is multiplied with: a number, or one or several that are learned",
    )
    use_gating: bool | None = Field(None, description="not possible: see the message")
    dropout: float | None = Field(None, ge=0, lt=1, description="of the bottleneck's output, in training")
    init_weights: Literal["bert", "mam_adapter", "houlsby"] | None = Field(
        None, description="mam_adapter starts as the identity, the others near it"
    )
    ln_before: bool | None = Field(None, description="a new layer norm before the bottleneck")
    ln_after: bool | None = Field(None, description="a new layer norm after the bottleneck")
    original_ln_before: bool | None = Field(
        None, description="the backbone's residual and norm are applied to what goes into the bottleneck, too"
    )
    original_ln_after: bool | None = Field(None, description="true: the backbone adds its residual and norm after it")
    residual_before_ln: bool | Literal["post_add"] | None = Field(
        None, description="where the bottleneck's own residual is taken; see `adapters.BnConfig`"
    )
    adapter_residual_before_ln: bool | None = Field(None, description="whether that residual goes through ln_after")
    inv_adapter: Literal["nice", "glow", "none"] | None = Field(None, description="the invertible part's kind")
    inv_adapter_reduction_factor: Factor | None = Field(
        None, description="half the hidden size over the width inside the invertible part"
    )
    inv_adapter_non_linearity: str | None = Field(
        None,
        description="the invertible part's activation where it is another one: so in the first language adapters of "
        "AdapterHub; adapters 1.3.0 has none of its own for it",
    )
    inv_adapter_before_projection: bool | None = Field(
        None,
        description="where embeddings have a width of their own (ELECTRA): the invertible part acts before they are "
        "brought to the layers' width, as in adapters",
    )
    phm_layer: bool | None = Field(None, description="projections as sums of Kronecker products")
    phm_dim: int | None = Field(None, gt=0, description="how many Kronecker products are summed up")
    phm_rank: int | None = Field(None, gt=0, description="the rank of their right factors, where these are factorised")
    phm_bias: bool | None = Field(None, description="a bias for each of these projections")
    phm_c_init: Literal["normal", "uniform"] | None = Field(None, description="how their left factors are drawn")
    phm_init_range: float | None = Field(None, gt=0, description="how widely factors are drawn")
    learn_phm: bool | None = Field(None, description="whether left factors are trained")
    shared_phm_rule: bool | None = Field(None, description="whether all layers share one rule")
    factorized_phm_rule: bool | None = Field(None, description="whether left factors are products of two thin ones")
    factorized_phm_W: bool | None = Field(  # noqa: N815 - the library's own name
        None, description="whether right factors are products of two thin ones"
    )
    shared_W_phm: bool | None = Field(None, description="whether all layers share their weights")  # noqa: N815
    hypercomplex_nonlinearity: Literal["phm", "glorot-normal", "glorot-uniform", "normal"] | None = Field(
        None, description="how weights are drawn by its name; adapters 1.3.0, and so lect, draws glorot-normal for each"
    )

    @field_validator("inv_adapter")
    @classmethod
    def _glow_works(cls, kind: str | None) -> str | None:
        if kind == "glow":
            raise ValueError(
                'should be "nice": the block "glow" of adapters 1.3.0 splits the text length where it means the '
                "features, and cannot be run"
            )
        return kind

    @field_validator("use_gating")
    @classmethod
    def _rows_stand_alone(cls, gating: bool | None) -> bool | None:
        if gating:
            raise ValueError(
                "should be false: the gate of adapters is a mean over the padding too, so that what a row gives would "
                "depend on the longest row of its batch"
            )
        return gating

    @field_validator("original_ln_after")
    @classmethod
    def _backbone_adds_its_residual(cls, after: bool | None) -> bool | None:
        if after is False:
            raise ValueError(
                "should be true: the frozen backbone adds its residual, and its norm in a post-norm model, after "
                "this place, and a component cannot keep it from doing so"
            )
        return after

    @field_validator("reduction_factor")
    @classmethod
    def _layers_are_numbers(cls, factor: float | dict[str, float] | None) -> float | dict[str, float] | None:
        for layer in factor if isinstance(factor, dict) else ():
            if layer != "default" and not layer.isdecimal():
                raise ValueError(f'"{layer}" should be the number of a layer, from 0, or "default"')
        return factor
