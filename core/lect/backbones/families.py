"""The table of families: where each keeps its layers, blocks, norms and embeddings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["encoder", "decoder", "encoder-decoder"]
"""How a model reads: both ways, from left to right, or both ways with a second half that writes."""


@dataclass(frozen=True)
class Family:
    """The paths of one `model_type`, relative to a layer but for the first few.

    Args:
        kind: of an encoder-decoder the encoder alone is meant by all that follows.
        layers: path of the list of layers.
        attention_output: the module whose output is added to the residual after attention.
        attention_norm: the norm over that sum, in a post-norm family.
        feed_forward_output: as `attention_output`, after the feed-forward block.
        feed_forward_norm: as `attention_norm`, after the feed-forward block.
        feed_forward_input_norm: the norm before the feed-forward block, in a pre-norm family.
        attention_projection: the projection that ends the block, where a norm follows it before the addition.
        feed_forward_projection: likewise.
        embeddings: path of the last module before the first layer.
        projection: path of what takes the embeddings' width to that of the layers, in some models.
        word_embedding: path of the table of tokens, where `get_input_embeddings` would give another name of it.
        scaled: the first layer gets the word embeddings times a constant. Some versions of transformers multiply
            outside of any module, where nothing can act on the product.
        attention: the one implementation of attention that gives this family's own results, row by row.
        shared: names of modules that the model calls once for the whole batch.
        decoder: of an encoder-decoder the decoder, where its layers are built otherwise than the encoder's.
        passes_more: whether a layer hands the next ones more than hidden states, such as the positions' part in
            attention, so that no pass may begin between two layers.
    """

    layers: str
    attention_output: str
    attention_norm: str | None
    feed_forward_output: str
    feed_forward_norm: str | None
    feed_forward_input_norm: str | None = None
    attention_projection: str | None = None
    feed_forward_projection: str | None = None
    embeddings: str = "embeddings"
    projection: str | None = None
    word_embedding: str | None = None
    scaled: bool = False
    kind: Kind = "encoder"
    attention: str | None = None
    shared: tuple[str, ...] = ()
    decoder: Family | None = None
    passes_more: bool = False


_BERT = Family(
    "encoder.layer", "attention.output.dense", "attention.output.LayerNorm", "output.dense", "output.LayerNorm"
)
_LLAMA = Family(
    "layers",
    "self_attn.o_proj",
    None,
    "mlp.down_proj",
    None,
    feed_forward_input_norm="post_attention_layernorm",
    embeddings="embed_tokens",
    kind="decoder",
)
# A norm stands between each block and the addition: what is added is what the norm gives.
_GEMMA2 = replace(
    _LLAMA,
    attention_output="post_attention_layernorm",
    attention_projection="self_attn.o_proj",
    feed_forward_output="post_feedforward_layernorm",
    feed_forward_projection="mlp.down_proj",
    feed_forward_input_norm="pre_feedforward_layernorm",
    scaled=True,
)
_T5 = Family(
    "block",
    "layer.0.SelfAttention.o",
    None,
    "layer.1.DenseReluDense.wo",
    None,
    feed_forward_input_norm="layer.1.layer_norm",
    embeddings="embed_tokens",
    word_embedding="embed_tokens",
    kind="encoder-decoder",
    shared=("relative_attention_bias",),
    passes_more=True,
)
# Between its two blocks stands a third one, which reads what the encoder gave.
_T5 = replace(
    _T5,
    decoder=replace(_T5, feed_forward_output="layer.2.DenseReluDense.wo", feed_forward_input_norm="layer.2.layer_norm"),
)
_MBART = Family(
    "layers",
    "self_attn.out_proj",
    None,
    "fc2",
    None,
    feed_forward_input_norm="final_layer_norm",
    embeddings="layernorm_embedding",
    word_embedding="embed_tokens",
    kind="encoder-decoder",
)
# Its decoder looks positions up once for all rows.
_MBART = replace(_MBART, decoder=replace(_MBART, shared=("embed_positions",)))

FAMILIES: dict[str, Family] = {
    "bert": _BERT,
    "camembert": _BERT,
    "deberta": _BERT,
    "deberta-v2": _BERT,
    "distilbert": Family("transformer.layer", "attention.out_lin", "sa_layer_norm", "ffn.lin2", "output_layer_norm"),
    "electra": replace(_BERT, projection="embeddings_project"),
    "ernie": _BERT,
    "gemma": replace(_LLAMA, scaled=True),
    # Only eager attention bounds the logits as this family was trained.
    "gemma2": replace(_GEMMA2, attention="eager"),
    "gemma3_text": _GEMMA2,
    "gpt2": Family(
        "h",
        "attn.c_proj",
        None,
        "mlp.c_proj",
        None,
        feed_forward_input_norm="ln_2",
        embeddings="drop",
        kind="decoder",
    ),
    "llama": _LLAMA,
    # The positions are added outside of any module: what acts on the embeddings acts before that.
    "m2m_100": replace(_MBART, embeddings="embed_tokens"),
    "mbart": _MBART,
    "mistral": _LLAMA,
    # Its own choice, flash attention, joins the rows of a batch into one.
    "modernbert": Family(
        "layers", "attn.Wo", None, "mlp.Wo", None, feed_forward_input_norm="mlp_norm", attention="sdpa"
    ),
    "mt5": _T5,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "roberta": _BERT,
    "smollm3": _LLAMA,
    "t5": _T5,
    "umt5": _T5,
    "xlm-roberta": _BERT,
    "xlm-roberta-xl": Family(
        "encoder.layer", "attention.output.dense", None, "output.dense", None, feed_forward_input_norm="LayerNorm"
    ),
}
"""`model_type` of a transformers configuration → where its parts lie."""

INSTEAD: dict[str, str] = {
    "gemma3": "name one that reads text alone, of type gemma3_text",
    "gemma3n": "name one that reads text alone, such as one of type gemma3_text",
    "bart": "use its many-language relative, mbart",
    "gpt_neox": "its blocks stand side by side, with one residual for both; use one of another family, such as llama",
}
"""`model_type` of a family that is often meant → what to use."""
