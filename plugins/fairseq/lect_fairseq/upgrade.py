"""Names of older versions of fairseq brought to those of its last one, as fairseq does when it loads a checkpoint."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_NOT_WEIGHTS = re.compile(r"(.*\.)?(version|embed_positions\._float_tensor|embed_positions\.weights)")
_ENCODER_NORMS = {"0": "self_attn_layer_norm", "1": "final_layer_norm"}
_DECODER_NORMS = {"0": "self_attn_layer_norm", "1": "encoder_attn_layer_norm", "2": "final_layer_norm"}


def upgrade(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by the names of fairseq 0.12, without what is computed and not learned."""
    has_sentence_encoder = any(".sentence_encoder." in name for name in tensors)
    found: dict[str, Tensor] = {}
    for old, tensor in tensors.items():
        if _NOT_WEIGHTS.fullmatch(old):
            continue
        name = old
        if has_sentence_encoder and name.startswith("decoder."):
            # RoBERTa called its encoder so.
            name = f"encoder.{name.removeprefix('decoder.')}"
        name = name.replace(".emb_layer_norm.", ".layernorm_embedding.")
        if matched := re.fullmatch(r"(.*)\.layer_norms\.(\d)\.(weight|bias)", name):
            norms = _DECODER_NORMS if name.startswith("decoder.") else _ENCODER_NORMS
            name = f"{matched[1]}.{norms.get(matched[2], matched[2])}.{matched[3]}"
        if matched := re.fullmatch(r"(.*)\.in_proj_(weight|bias)", name):
            # Queries, keys and values were one matrix.
            for kind, part in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{matched[1]}.{kind}_proj.{matched[2]}"] = part
            continue
        found[name] = tensor
    return found
