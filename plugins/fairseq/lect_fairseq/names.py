"""The names of tensors in fairseq and in `transformers`: a table for each family, to be read in both directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_NORM = ("weight", "bias")


@dataclass(frozen=True)
class NameTable:
    """Modules in fairseq → modules in `transformers`, each with its tensors.

    Args:
        layers: prefixes of a layer in both, with ``{}`` for its number, and the modules in it, by a name for each list
            of layers.
        modules: what is not in a layer.
        tensors: tensors that have no module of their own.
    """

    layers: Mapping[tuple[str, str], Mapping[str, str]]
    modules: Mapping[str, str]
    tensors: Mapping[str, str]

    def names(self, counts: Sequence[int]) -> dict[str, str]:
        """Every tensor's name in fairseq and in `transformers`, no two alike on either side.

        Args:
            counts: of each list of layers, how many.
        """
        found = dict(self.tensors)
        for (theirs, ours), count in zip(self.layers, counts, strict=True):
            modules = self.layers[theirs, ours]
            for index in range(count):
                found |= _of_modules(
                    (f"{theirs.format(index)}.{source}", f"{ours.format(index)}.{target}")
                    for source, target in modules.items()
                )
        return found | _of_modules(self.modules.items())


def _of_modules(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {f"{source}.{kind}": f"{target}.{kind}" for source, target in pairs for kind in _NORM}


_BERT_LAYER = {
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
_BERT_LAYERS = ("encoder.sentence_encoder.layers.{}", "roberta.encoder.layer.{}")
_BERT_EMBEDDINGS = {
    "encoder.sentence_encoder.embed_tokens.weight": "roberta.embeddings.word_embeddings.weight",
    "encoder.sentence_encoder.embed_positions.weight": "roberta.embeddings.position_embeddings.weight",
}
_LM_HEAD = {"encoder.lm_head.dense": "lm_head.dense", "encoder.lm_head.layer_norm": "lm_head.layer_norm"}
_LM_HEAD_TENSORS = {"encoder.lm_head.weight": "lm_head.decoder.weight", "encoder.lm_head.bias": "lm_head.bias"}

ROBERTA = NameTable(
    {_BERT_LAYERS: _BERT_LAYER},
    {"encoder.sentence_encoder.layernorm_embedding": "roberta.embeddings.LayerNorm", **_LM_HEAD},
    {**_BERT_EMBEDDINGS, **_LM_HEAD_TENSORS},
)
"""RoBERTa and XLM-R: norms behind the blocks."""

XLM_R_XL = NameTable(
    {
        _BERT_LAYERS: {
            **_BERT_LAYER,
            "self_attn_layer_norm": "attention.self_attn_layer_norm",
            "final_layer_norm": "LayerNorm",
        }
    },
    {"encoder.sentence_encoder.layer_norm": "roberta.encoder.LayerNorm", **_LM_HEAD},
    {**_BERT_EMBEDDINGS, **_LM_HEAD_TENSORS},
)
"""XLM-R XL and XXL: norms before the blocks, and one behind the last."""

_SAME = {
    name: name
    for name in (
        "self_attn.q_proj",
        "self_attn.k_proj",
        "self_attn.v_proj",
        "self_attn.out_proj",
        "self_attn_layer_norm",
        "fc1",
        "fc2",
        "final_layer_norm",
    )
}
_CROSS = {
    name: name
    for name in (
        "encoder_attn.q_proj",
        "encoder_attn.k_proj",
        "encoder_attn.v_proj",
        "encoder_attn.out_proj",
        "encoder_attn_layer_norm",
    )
}
_HALVES = {
    ("encoder.layers.{}", "model.encoder.layers.{}"): _SAME,
    ("decoder.layers.{}", "model.decoder.layers.{}"): {**_SAME, **_CROSS},
}
_FINAL_NORMS = {
    "encoder.layer_norm": "model.encoder.layer_norm",
    "decoder.layer_norm": "model.decoder.layer_norm",
}
_SHARED = {"encoder.embed_tokens.weight": "model.shared.weight"}

M2M_100 = NameTable(_HALVES, _FINAL_NORMS, _SHARED)
"""M2M-100 and NLLB: norms before the blocks, positions that are computed."""

MBART = NameTable(
    _HALVES,
    {
        **_FINAL_NORMS,
        "encoder.layernorm_embedding": "model.encoder.layernorm_embedding",
        "decoder.layernorm_embedding": "model.decoder.layernorm_embedding",
    },
    {
        **_SHARED,
        "encoder.embed_positions.weight": "model.encoder.embed_positions.weight",
        "decoder.embed_positions.weight": "model.decoder.embed_positions.weight",
    },
)
"""mBART: norms before the blocks and behind the embeddings, positions that are learned."""
