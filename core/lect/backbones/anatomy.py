"""Where the parts of a transformer lie in each family's modules: a table, and lookups in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from lect.errors import BackboneError


@dataclass(frozen=True)
class Tap:
    """A place where a residual passes by: the first input, or the output, of a module."""

    module: str
    kind: str  # "input" or "output"


@dataclass(frozen=True)
class Sublayer:
    """An attention or feed-forward block: the projection that ends it, and what is added to that projection.

    Args:
        output: path of the projection whose output is added to the residual.
        residual: where that residual can be tapped.
        norm: path of the layer norm over the sum, in a post-norm model; None in a pre-norm model.
    """

    output: str
    residual: Tap
    norm: str | None


@dataclass(frozen=True)
class Layer:
    """One transformer layer."""

    attention: Sublayer
    feed_forward: Sublayer


@dataclass(frozen=True)
class Anatomy:
    """The places of one model.

    Args:
        word_embedding: path of the table that is indexed with piece ids.
        embeddings: path of the module whose output enters the first layer.
        linears: paths of every linear projection inside the layers, in order of use.
    """

    word_embedding: str
    embeddings: str
    layers: tuple[Layer, ...]
    linears: tuple[str, ...]
    hidden_size: int


@dataclass(frozen=True)
class _Family:
    layers: str
    attention_output: str
    attention_norm: str | None
    feed_forward_output: str
    feed_forward_norm: str | None
    feed_forward_input_norm: str | None = None
    embeddings: str = "embeddings"
    projection: str | None = None  # in some models, from the embeddings' width to that of the layers


_BERT = _Family(
    "encoder.layer", "attention.output.dense", "attention.output.LayerNorm", "output.dense", "output.LayerNorm"
)
_DISTILBERT = _Family("transformer.layer", "attention.out_lin", "sa_layer_norm", "ffn.lin2", "output_layer_norm")
_MODERNBERT = _Family("layers", "attn.Wo", None, "mlp.Wo", None, feed_forward_input_norm="mlp_norm")

FAMILIES: dict[str, _Family] = {
    "bert": _BERT,
    "camembert": _BERT,
    "deberta": _BERT,
    "deberta-v2": _BERT,
    "distilbert": _DISTILBERT,
    "electra": replace(_BERT, projection="embeddings_project"),
    "ernie": _BERT,
    "modernbert": _MODERNBERT,
    "roberta": _BERT,
    "xlm-roberta": _BERT,
    "xlm-roberta-xl": _Family(
        "encoder.layer", "attention.output.dense", None, "output.dense", None, feed_forward_input_norm="LayerNorm"
    ),
}
"""`model_type` of a transformers configuration → where its parts lie, relative to a layer but for `layers`."""


def check_family(kind: str) -> None:
    """Refuse a model of this `model_type` if its places are not known.

    Raises:
        BackboneError: it is not in the table.
    """
    if kind not in FAMILIES:
        raise BackboneError(
            f'models of type "{kind}" cannot carry components yet',
            fix=f"use an encoder of one of these families: {', '.join(sorted(FAMILIES))}",
        )


def read_anatomy(model: Any) -> Anatomy:
    """The places of this model.

    Raises:
        BackboneError: for a family that is not in the table.
    """
    kind = model.config.model_type
    check_family(kind)
    family = FAMILIES[kind]
    modules = dict(model.named_modules())
    if family.layers not in modules:
        raise BackboneError(
            f'this model of type "{kind}" has no layers at "{family.layers}"', fix="load it as a plain encoder"
        )
    count = len(modules[family.layers])
    table = model.get_input_embeddings()
    return Anatomy(
        word_embedding=next(path for path, module in modules.items() if module is table),
        embeddings=family.projection if family.projection and family.projection in modules else family.embeddings,
        layers=tuple(_layer(family, f"{family.layers}.{index}") for index in range(count)),
        linears=tuple(
            path
            for path, module in modules.items()
            if path.startswith(f"{family.layers}.") and isinstance(module, nn.Linear)
        ),
        hidden_size=model.config.hidden_size,
    )


def _layer(family: _Family, prefix: str) -> Layer:
    attention_norm = f"{prefix}.{family.attention_norm}" if family.attention_norm else None
    feed_forward_norm = f"{prefix}.{family.feed_forward_norm}" if family.feed_forward_norm else None
    # A post-norm layer feeds its feed-forward block, and adds to it, what the attention's norm gives; a pre-norm
    # layer adds what goes into the feed-forward block's own norm.
    if family.feed_forward_input_norm:
        feed_forward_residual = Tap(f"{prefix}.{family.feed_forward_input_norm}", "input")
    else:
        feed_forward_residual = Tap(f"{prefix}.{family.attention_norm}", "output")
    return Layer(
        attention=Sublayer(f"{prefix}.{family.attention_output}", Tap(prefix, "input"), attention_norm),
        feed_forward=Sublayer(f"{prefix}.{family.feed_forward_output}", feed_forward_residual, feed_forward_norm),
    )
