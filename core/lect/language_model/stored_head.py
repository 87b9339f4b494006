"""Heads over tokens that a backbone's checkpoint holds beside the backbone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lect.backbones import Backbone
from lect.backbones.stored import stored_tensors
from lect.errors import BackboneError
from lect.language_model.head import LanguageModelHead, Transform


@dataclass(frozen=True)
class _Names:
    """What the tensors of a family's masked-language-model head are called; their places in the checkpoint."""

    dense: str
    norm: str
    bias: tuple[str, ...]
    rows: str
    activation: str = "hidden_act"
    eps: str = "layer_norm_eps"


_BERT = _Names(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    "cls.predictions.decoder.weight",
)
_ROBERTA = _Names(
    "lm_head.dense", "lm_head.layer_norm", ("lm_head.bias", "lm_head.decoder.bias"), "lm_head.decoder.weight", "gelu"
)
_NAMES: Mapping[str, _Names] = {
    "bert": _BERT,
    "camembert": _ROBERTA,
    "deberta": _BERT,
    "deberta-v2": _BERT,
    "distilbert": _Names(
        "vocab_transform",
        "vocab_layer_norm",
        ("vocab_projector.bias",),
        "vocab_projector.weight",
        "activation",
        "1e-12",
    ),
    "electra": _Names(
        "generator_predictions.dense",
        "generator_predictions.LayerNorm",
        ("generator_lm_head.bias",),
        "generator_lm_head.weight",
        "gelu",
    ),
    "ernie": _BERT,
    "modernbert": _Names(
        "head.dense", "head.norm", ("decoder.bias",), "decoder.weight", "classifier_activation", "norm_eps"
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "xlm-roberta-xl": _ROBERTA,
}


def embedding_rows(backbone: Backbone) -> Tensor:
    """The backbone's frozen word embeddings, *Shape:* ``(tokens, width)``."""
    matrix = backbone.module(backbone.anatomy.word_embedding).weight
    assert isinstance(matrix, Tensor)
    return matrix.detach()


def stored_masked_head(backbone: Backbone) -> LanguageModelHead | None:
    """The masked-language-model head of the backbone's checkpoint; None where it has none."""
    names, folder = _NAMES.get(backbone.model.config.model_type), backbone.folder
    if names is None or folder is None:
        return None
    wanted = {f"{names.dense}.weight", f"{names.dense}.bias", f"{names.norm}.weight", f"{names.norm}.bias"}
    found = stored_tensors(folder, {*wanted, *names.bias, names.rows})
    if not {f"{names.dense}.weight", f"{names.norm}.weight"} <= found.keys():
        return None
    config, device = backbone.model.config, embedding_rows(backbone).device
    matrix = found[names.rows].float().to(device) if names.rows in found else embedding_rows(backbone)
    dense = found[f"{names.dense}.weight"]
    if dense.shape[1] != backbone.hidden_size or matrix.shape[1] != dense.shape[0]:
        raise BackboneError("its head for masked tokens does not fit its embeddings", where=str(folder))
    # Without drawing what is overwritten at once.
    with torch.device("meta"):
        transform = Transform(
            dense.shape[1],
            dense.shape[0],
            _activation(getattr(config, names.activation, names.activation)),
            float(getattr(config, names.eps, None) or names.eps),
            f"{names.dense}.bias" in found,
            f"{names.norm}.bias" in found,
        )
    own = {name.replace(f"{names.dense}.", "dense.").replace(f"{names.norm}.", "norm."): found[name]
           for name in wanted & found.keys()}  # fmt: skip
    transform.load_state_dict({name: tensor.float() for name, tensor in own.items()}, assign=True)
    bias = next((found[name].float().to(device) for name in names.bias if name in found), None)
    return LanguageModelHead(
        transform.requires_grad_(False).to(device).eval(),
        matrix,
        torch.zeros(len(matrix), device=device) if bias is None else bias,
    )


def stored_causal_head(backbone: Backbone) -> LanguageModelHead:
    """A decoder's language-model head: rows of its own, or its embeddings where the two are tied.

    Raises:
        BackboneError: the two are not tied, and the checkpoint has no rows for the head.
    """
    config, matrix = backbone.model.config, embedding_rows(backbone)
    if not getattr(config, "tie_word_embeddings", False):
        found = stored_tensors(backbone.folder, {_ROWS})
        matrix = _own_rows(backbone, found).to(matrix.device)
    bias = torch.zeros(len(matrix), device=matrix.device)
    return LanguageModelHead(nn.Identity(), matrix, bias, getattr(config, "final_logit_softcapping", None))


def stored_decoder_head(backbone: Backbone) -> LanguageModelHead:
    """An encoder-decoder's language-model head.

    Rows of its own (mT5), or its embeddings, in T5 of states in a scale of their own (Raffel et al. 2020, as its code
    has it), in mBART with a bias.

    Raises:
        BackboneError: the checkpoint lacks rows that are not its embeddings.
    """
    config, matrix = backbone.model.config, embedding_rows(backbone)
    found = stored_tensors(backbone.folder, {_ROWS, "final_logits_bias"})
    tied = _is_tied(backbone)
    if not tied:
        matrix = _own_rows(backbone, found).to(matrix.device)
    bias = torch.zeros(len(matrix), device=matrix.device)
    if "final_logits_bias" in found:
        bias = found["final_logits_bias"].float().flatten().to(matrix.device)
    scale = config.d_model**-0.5 if tied and config.model_type in _T5 else 1.0
    return LanguageModelHead(_Scaled(scale), matrix, bias)


def _own_rows(backbone: Backbone, found: Mapping[str, Tensor]) -> Tensor:
    """The head's rows that are not the embeddings. Raises `BackboneError` where the checkpoint lacks them."""
    if _ROWS not in found:
        raise BackboneError(
            f'"{backbone.name}" comes without the head that predicts tokens',
            fix="use a folder or hub id that was saved with its language-model head",
        )
    return found[_ROWS].float()


class _Scaled(nn.Module):
    def __init__(self, scale: float) -> None:
        super().__init__()
        self._scale = scale

    def forward(self, states: Tensor) -> Tensor:
        return states * self._scale


_ROWS = "lm_head.weight"
_T5 = ("t5", "mt5", "umt5")


def _is_tied(backbone: Backbone) -> bool:
    """Whether the head's rows are the embeddings, as the checkpoint says: newer versions of transformers forget it."""
    config = backbone.model.config
    stated = getattr(config, "tie_word_embeddings", True)
    if backbone.folder is not None and config.model_type in _T5:
        values = json.loads((backbone.folder / "config.json").read_text(encoding="utf-8"))
        stated = values.get("tie_word_embeddings", config.model_type == "t5")
    return bool(stated)


def _activation(name: str) -> Any:
    from transformers.activations import ACT2FN

    return ACT2FN[name]
