"""Whose variable is which of BERT's parameters: the names of three code bases, as one table.

google-research/bert and google-research/albert name variables in TensorFlow 1's scopes, transformers in Keras layers of
the same names, and TensorFlow's Model Garden has names of its own; in files of Keras 3's format its parameters go by
the attributes that hold them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

Layout = Literal["google", "garden"]

_DENSE = {"kernel": "weight", "bias": "bias", "0": "weight", "1": "bias"}
_NORM = {"gamma": "weight", "beta": "bias", "0": "weight", "1": "bias"}
_OUTER: dict[Layout, Mapping[str, str]] = {
    "google": {
        r"embeddings/word_embeddings(?:/weight|/embeddings)?": "embeddings.word_embeddings.weight",
        r"embeddings/position_embeddings(?:/embeddings)?": "embeddings.position_embeddings.weight",
        r"embeddings/token_type_embeddings(?:/embeddings)?": "embeddings.token_type_embeddings.weight",
        r"embeddings/LayerNorm/(?P<norm>gamma|beta)": "embeddings.LayerNorm",
        r"encoder/embedding_hidden_mapping_in/(?P<dense>kernel|bias)": "embeddings_project",
    },
    "garden": {
        r"word_embeddings/embeddings|layers/on_device_embedding/vars/0": "embeddings.word_embeddings.weight",
        r"position_embeddings?/(?:position_)?embeddings|layers/position_embedding/vars/0": (
            "embeddings.position_embeddings.weight"
        ),
        r"type_embeddings/embeddings|layers/on_device_embedding_1/vars/0": "embeddings.token_type_embeddings.weight",
        r"(?:embeddings/layer_norm/|layers/layer_normalization/vars/)(?P<norm>gamma|beta|[01])": "embeddings.LayerNorm",
        r"(?:embedding_projection/|layers/einsum_dense/vars/)(?P<dense>kernel|bias|[01])": "embeddings_project",
    },
}
_LAYERS: dict[Layout, str] = {
    # In ALBERT all layers have the parameters of one.
    "google": r"encoder/(?:layer_(?:\._)?(?P<layer>\d+)|transformer/group_0/inner_group_0)/",
    "garden": (
        r"(?:transformer/(?:layer_(?P<layer>\d+)/)?"
        r"|(?:transformer_layers|layers)/transformer_encoder_block(?:_(?P<block>\d+))?/)"
    ),
}
_IN_LAYER: dict[Layout, Mapping[str, str]] = {
    "google": {
        r"(?:attention|attention_1)/self/(?P<name>query|key|value)/(?P<dense>kernel|bias)": "attention.self",
        r"(?:attention|attention_1)/output/dense/(?P<dense>kernel|bias)": "attention.output.dense",
        r"(?:attention/output/)?LayerNorm/(?P<norm>gamma|beta)": "attention.output.LayerNorm",
        r"(?:ffn_1/)?intermediate/dense/(?P<dense>kernel|bias)": "intermediate.dense",
        r"(?:ffn_1/intermediate/)?output/dense/(?P<dense>kernel|bias)": "output.dense",
        r"(?:output/LayerNorm|LayerNorm_1)/(?P<norm>gamma|beta)": "output.LayerNorm",
    },
    "garden": {
        r"(?:self_attention/|_attention_layer/_)(?P<name>query|key|value)(?:/|_dense/vars/)"
        r"(?P<dense>kernel|bias|[01])": "attention.self",
        r"(?:self_attention/attention_output/|_attention_layer/_output_dense/vars/|self_attention_output/)"
        r"(?P<dense>kernel|bias|[01])": "attention.output.dense",
        r"(?:self_attention_layer_norm/|_attention_layer_norm(?:_kv)?/vars/)(?P<norm>gamma|beta|[01])": (
            "attention.output.LayerNorm"
        ),
        r"(?:intermediate/|_intermediate_dense/vars/)(?P<dense>kernel|bias|[01])": "intermediate.dense",
        r"(?:output/|_output_dense/vars/)(?P<dense>kernel|bias|[01])": "output.dense",
        r"(?:output_layer_norm/|_output_layer_norm/vars/)(?P<norm>gamma|beta|[01])": "output.LayerNorm",
    },
}
#: What a backbone does without, and what each is called where a user reads of it.
_LEFT_OUT = {
    "an optimiser's state": r"\.OPTIMIZER_SLOT/|(?:^|/)_?optimizer(?:_experimental|_weights)?/|(?:^|/)Adam[A-Za-z]*/"
    r"|/adam_[mv]$|/(?:Adam|LAMB)[A-Za-z]*(?:_1)?$|/(?:LAMB|lamb)_[mv]$",
    "counters": r"(?:^|/)(?:global_step|save_counter|iter|step|do_lower_case|Variable|_variables/\d+)$"
    r"|^(?:save_counter|global_step|do_lower_case|step)/|^(?:Variable|iter|current_loss_scale|good_steps)",
    "the pooler": r"(?:^|/)(?:pooler/|pooler_transform/|pooler_layer/|pooler_dense/)",
    "the head of masked words": r"(?:^|/)(?:cls/predictions/|predictions___cls|mlm___cls/|masked_lm/|lm_head/|"
    r"cls/mlm/|mlm/|mlm___)",
    "the head of sentence pairs": r"(?:^|/)(?:cls/seq_relationship|nsp___cls/|next_sentence)",
    "a classifier": r"(?:^|/)(?:classifier|classification|output_weights$|output_bias$|predictions/|qa_outputs/)",
}
SHARED = -1
"""The number of the layer that all layers of ALBERT are."""

Place = tuple[str, "int | None"]
"""A parameter's name, in a layer from that on; and the layer's number, None outside of layers."""


def place_of(name: str, layout: Layout) -> Place | None:
    """Which parameter a variable is; None for one that the encoder does not have."""
    for pattern, target in _OUTER[layout].items():
        if found := re.search(rf"(?:^|/)(?:{pattern})$", name):
            return _full(target, found), None
    for pattern, target in _IN_LAYER[layout].items():
        if found := re.search(rf"(?:^|/){_LAYERS[layout]}(?:{pattern})$", name):
            return _full(target, found), _layer(name, found)
    return None


def left_out(name: str) -> str | None:
    """In words, what a variable belongs to that a backbone does without; None for one of the encoder, or unknown."""
    return next((what for what, pattern in _LEFT_OUT.items() if re.search(pattern, name)), None)


def _full(target: str, found: re.Match[str]) -> str:
    groups = found.groupdict()
    if groups.get("name"):
        target = f"{target}.{groups['name']}"
    if groups.get("dense"):
        return f"{target}.{_DENSE[groups['dense']]}"
    return f"{target}.{_NORM[groups['norm']]}" if groups.get("norm") else target


def _layer(name: str, found: re.Match[str]) -> int:
    groups = found.groupdict()
    number = groups.get("layer") or groups.get("block")
    if number is not None:
        return int(number)
    return 0 if "transformer_encoder_block" in name else SHARED
