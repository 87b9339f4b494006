"""Where the parts of a transformer lie in one model: looked up in the table of families, checked against the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from lect.backbones.families import FAMILIES, INSTEAD, Family, Kind
from lect.errors import BackboneError

__all__ = ["FAMILIES", "Anatomy", "Layer", "Sublayer", "Tap", "check_family", "kind_of", "read_anatomy"]


@dataclass(frozen=True)
class Tap:
    """A place where a residual passes by: the first input, or the output, of a module."""

    module: str
    kind: str  # "input" or "output"


@dataclass(frozen=True)
class Sublayer:
    """An attention or feed-forward block: the module that ends it, and what is added to what that gives.

    Args:
        output: path of the module whose output is added to the residual: the block's last projection, or, in
            Gemma 2 and 3, the norm behind it.
        residual: where that residual can be tapped.
        norm: path of the layer norm over the sum, in a post-norm model; None in a pre-norm model.
        projection: path of the block's last projection.
    """

    output: str
    residual: Tap
    norm: str | None
    projection: str


@dataclass(frozen=True)
class Layer:
    """One transformer layer."""

    attention: Sublayer
    feed_forward: Sublayer


@dataclass(frozen=True)
class Anatomy:
    """The places of one model.

    Args:
        word_embedding: path of the table that is indexed with token ids.
        embeddings: path of the last module before the first layer; None where the model changes what it gives in
            ways that depend on the version of transformers.
        linears: paths of every linear projection inside the layers, in order of use.
        scale: what the table multiplies its rows with before it gives them.
        layer_paths: paths of the layers.
        shared: paths of the modules that are called once for a whole batch, and not with its rows.
        separable: paths of the layers that read, where a pass may begin or end between any two of them; else none.
    """

    word_embedding: str
    embeddings: str | None
    layers: tuple[Layer, ...]
    linears: tuple[str, ...]
    hidden_size: int
    scale: float = 1.0
    shared: frozenset[str] = frozenset()
    layer_paths: tuple[str, ...] = ()
    separable: tuple[str, ...] = ()

    def depth_of(self, path: str) -> int:
        """How many of the layers stand below a module: 0 for embeddings, all of them for what follows the last."""
        for depth, layer in enumerate(self.separable):
            if path.startswith(f"{layer}."):
                return depth
        return len(self.separable) if path.startswith(DECODER) else 0


def check_family(kind: str) -> None:
    """Refuse a model of this `model_type` if its places are not known.

    Raises:
        BackboneError: it is not in the table.
    """
    if kind not in FAMILIES:
        raise BackboneError(
            f'models of type "{kind}" cannot carry components yet',
            fix=INSTEAD.get(kind, f"use one of these families: {', '.join(sorted(FAMILIES))}"),
        )


def kind_of(model: Any) -> Kind:
    """How the models of its family read. Raises `BackboneError` for a family that is not in the table."""
    check_family(model.config.model_type)
    return FAMILIES[model.config.model_type].kind


DECODER = "writer."
"""What the paths of an encoder-decoder's second half begin with."""


def read_anatomy(model: Any, decoder: Any = None) -> Anatomy:
    """The places of this model; of an encoder-decoder the encoder is given.

    Args:
        decoder: its decoder, where that is to carry components too: its layers come behind the encoder's.

    Raises:
        BackboneError: for a family that is not in the table.
    """
    kind = model.config.model_type
    check_family(kind)
    family = FAMILIES[kind]
    reading = _read_half(model, family)
    if decoder is None:
        return reading
    writing = _read_half(decoder, family.decoder or family, DECODER)
    return replace(
        reading,
        layers=reading.layers + writing.layers,
        linears=reading.linears + writing.linears,
        layer_paths=reading.layer_paths + writing.layer_paths,
        shared=reading.shared | writing.shared,
    )


def _read_half(model: Any, family: Family, half: str = "") -> Anatomy:
    kind = model.config.model_type
    modules = {f"{half}{path}": module for path, module in model.named_modules() if path or not half}
    layers = f"{half}{family.layers}"
    if layers not in modules:
        raise BackboneError(
            f'this model of type "{kind}" has no layers at "{family.layers}"',
            fix="load it as a plain model without a head, of an encoder-decoder the encoder",
        )
    count = len(modules[layers])
    table = model.get_submodule(family.word_embedding) if family.word_embedding else model.get_input_embeddings()
    return Anatomy(
        word_embedding=next(path for path, module in modules.items() if module is table),
        embeddings=_embeddings(family, modules, table),
        layers=tuple(_layer(family, f"{layers}.{index}") for index in range(count)),
        linears=tuple(
            path for path, module in modules.items() if path.startswith(f"{layers}.") and isinstance(module, nn.Linear)
        ),
        hidden_size=model.config.hidden_size,
        scale=_scale(table),
        layer_paths=tuple(f"{layers}.{index}" for index in range(count)),
        separable=() if family.passes_more else tuple(f"{layers}.{index}" for index in range(count)),
        shared=frozenset(path for path in modules if path.rsplit(".", 1)[-1] in family.shared),
    )


def _embeddings(family: Family, modules: dict[str, nn.Module], table: nn.Module) -> str | None:
    if family.projection and family.projection in modules:
        return family.projection
    if family.scaled and not hasattr(table, "embed_scale"):
        return None
    return family.embeddings


def _scale(table: nn.Module) -> float:
    scale = getattr(table, "embed_scale", 1.0)
    return float(scale)


def _layer(family: Family, prefix: str) -> Layer:
    def path(name: str | None) -> str | None:
        return f"{prefix}.{name}" if name else None

    # A post-norm layer feeds its feed-forward block, and adds to it, what the attention's norm gives; a pre-norm
    # layer adds what goes into the feed-forward block's own norm.
    if family.feed_forward_input_norm:
        feed_forward_residual = Tap(f"{prefix}.{family.feed_forward_input_norm}", "input")
    else:
        feed_forward_residual = Tap(f"{prefix}.{family.attention_norm}", "output")
    return Layer(
        attention=Sublayer(
            output=f"{prefix}.{family.attention_output}",
            residual=Tap(prefix, "input"),
            norm=path(family.attention_norm),
            projection=f"{prefix}.{family.attention_projection or family.attention_output}",
        ),
        feed_forward=Sublayer(
            output=f"{prefix}.{family.feed_forward_output}",
            residual=feed_forward_residual,
            norm=path(family.feed_forward_norm),
            projection=f"{prefix}.{family.feed_forward_projection or family.feed_forward_output}",
        ),
    )
