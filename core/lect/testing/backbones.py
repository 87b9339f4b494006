"""Tiny backbones for tests: every family, seeded, built in code in a moment, the same under every library version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lect.backbones.backbone import Backbone
from lect.backbones.load import decoder_half, encoder_half, model_class, model_options
from lect.backbones.quiet import quiet_transformers
from lect.errors import nearest
from lect.files import folder_aside
from lect.testing.tokenizers import MAX_LENGTH, tiny_tokenizer


def tiny_backbone(
    family: str = "xlm-roberta", seed: int = 0, hidden: int = 32, layers: int = 2, generates: bool = False
) -> Backbone:
    """A backbone of random weights, large enough that any change to its input shows in its output.

    The weights depend on nothing but the arguments. The tokenizer is a small one of the family's kind.

    Args:
        family: a `model_type`: one of `TINY_FAMILIES`.
        hidden: the width of a hidden state, a multiple of 16.
        generates: whether it is one that can write: a decoder, or an encoder-decoder with both halves. Its head over
            tokens is its embeddings; an M2M100 or mBART has tokens for two languages.

    Raises:
        ValueError: there is no tiny backbone of this family, or it cannot write.
    """
    _, model, decoder, tokenizer = _build(family, seed, hidden, layers, generates)
    name = f"tiny-{family}"
    identity = f"{name} (seed {seed}, {layers} layers of {hidden})"
    return Backbone(name, identity, model, tokenizer, licence="MIT", decoder=decoder)


def save_tiny_backbone(
    folder: Path | str,
    family: str = "xlm-roberta",
    seed: int = 0,
    hidden: int = 32,
    layers: int = 2,
    generates: bool = False,
) -> Path:
    """A tiny backbone as a folder that `transformers` loads; returns the folder. Arguments as in `tiny_backbone`."""
    whole, _, _, tokenizer = _build(family, seed, hidden, layers, generates)
    with quiet_transformers(), folder_aside(folder) as aside:
        whole.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
    return Path(folder)


# ---------------------------------------------------------------------------------------------------------- the model


def _build(family: str, seed: int, hidden: int, layers: int, generates: bool) -> tuple[Any, Any, Any, Any]:
    """The model as it is saved, what `lect` runs of it to read and to write, and the tokenizer."""
    import torch

    if family not in TINY_FAMILIES:
        raise ValueError(f'there is no tiny backbone of family "{family}"; {nearest(family, TINY_FAMILIES)}')
    if generates and family not in _DECODERS and family not in _ENCODER_DECODERS:
        raise ValueError(f'a tiny backbone of family "{family}" cannot write')
    tokenizer = tiny_tokenizer(**_TOKENIZERS.get(family, {}), **(_LANGUAGES.get(family, {}) if generates else {}))
    config = _config(family, tokenizer, hidden, layers)
    kind = model_class(config, generates)
    options = model_options(kind, config)
    if attention := options.pop("attn_implementation", None):
        config._attn_implementation = attention
    if generates:
        config.tie_word_embeddings = True
    with torch.random.fork_rng(devices=[]):
        whole = kind(config, **options)
    _fill(whole, seed, family)
    decoder = None
    if generates and family in _ENCODER_DECODERS:
        decoder = decoder_half(whole)
        _fill(decoder, seed + 1, family)
    model = encoder_half(whole)
    if model is not whole:
        # The same under every version, whatever names the rest of the model has.
        _fill(model, seed, family)
    return whole, model, decoder, tokenizer


def _config(family: str, tokenizer: Any, hidden: int, layers: int) -> Any:
    import transformers

    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if family in _DECODERS:
        name, own = _DECODERS[family]
        settings = {**common, **_decoder(hidden, layers), **own(hidden)}
        return getattr(transformers, name)(**settings)
    if family in _ENCODER_DECODERS:
        name, shape = _ENCODER_DECODERS[family]
        return getattr(transformers, name)(**common, **shape(hidden, layers))
    if family == "distilbert":
        return transformers.DistilBertConfig(
            **common,
            dim=hidden,
            n_layers=layers,
            n_heads=4,
            hidden_dim=2 * hidden,
            max_position_embeddings=MAX_LENGTH,
            dropout=0.0,
            attention_dropout=0.0,
        )
    common |= {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": MAX_LENGTH,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    if family == "modernbert":
        for dropout in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            del common[dropout]
        config = transformers.ModernBertConfig(
            **common,
            cls_token_id=tokenizer.bos_token_id,
            sep_token_id=tokenizer.eos_token_id,
            global_attn_every_n_layers=2,
            local_attention=16,
        )
        if hasattr(config, "reference_compile"):
            config.reference_compile = False
        return config
    kind, own = _BERT_LIKE[family]
    return getattr(transformers, kind)(**{**common, **own(hidden)})


def _from_padding_on(_hidden: int) -> dict[str, Any]:
    # Positions are counted from the padding id on.
    return {"max_position_embeddings": MAX_LENGTH + 2, "type_vocab_size": 1}


def _relative(hidden: int) -> dict[str, Any]:
    return {
        "type_vocab_size": 0,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_biased_input": False,
        "max_relative_positions": -1,
        "pooler_hidden_size": hidden,
    }


def _relative_in_buckets(hidden: int) -> dict[str, Any]:
    return {**_relative(hidden), "position_buckets": 16, "share_att_key": True, "norm_rel_ebd": "layer_norm"}


_BERT_LIKE: Mapping[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "bert": ("BertConfig", lambda _: {}),
    "camembert": ("CamembertConfig", _from_padding_on),
    "deberta": ("DebertaConfig", _relative),
    "deberta-v2": ("DebertaV2Config", _relative_in_buckets),
    "electra": ("ElectraConfig", lambda hidden: {"embedding_size": hidden // 2}),
    "ernie": ("ErnieConfig", lambda _: {"use_task_id": False}),
    "roberta": ("RobertaConfig", _from_padding_on),
    "xlm-roberta": ("XLMRobertaConfig", _from_padding_on),
    "xlm-roberta-xl": ("XLMRobertaXLConfig", _from_padding_on),
}


def _decoder(hidden: int, layers: int) -> dict[str, Any]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": hidden // 4,
        "intermediate_size": 2 * hidden,
        "max_position_embeddings": MAX_LENGTH,
        "attention_dropout": 0.0,
    }


def _windowed(_hidden: int) -> dict[str, Any]:
    return {"sliding_window": 16}


def _gpt2(_hidden: int) -> dict[str, Any]:
    return {"attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "n_inner": None}


_DECODERS: Mapping[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "gemma": ("GemmaConfig", lambda _: {}),
    "gemma2": ("Gemma2Config", lambda hidden: {"sliding_window": 16, "query_pre_attn_scalar": hidden // 4}),
    "gemma3_text": ("Gemma3TextConfig", lambda hidden: {"sliding_window": 16, "query_pre_attn_scalar": hidden // 4}),
    "gpt2": ("GPT2Config", _gpt2),
    "llama": ("LlamaConfig", lambda _: {}),
    "mistral": ("MistralConfig", _windowed),
    "qwen2": ("Qwen2Config", lambda _: {}),
    "qwen3": ("Qwen3Config", lambda _: {}),
    "smollm3": ("SmolLM3Config", lambda _: {"no_rope_layer_interval": 2}),
}


def _t5(hidden: int, layers: int) -> dict[str, Any]:
    return {
        "d_model": hidden,
        "d_kv": hidden // 4,
        "d_ff": 2 * hidden,
        "num_layers": layers,
        "num_heads": 4,
        "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 16,
        "dropout_rate": 0.0,
        "decoder_start_token_id": 1,
    }


def _gated(hidden: int, layers: int) -> dict[str, Any]:
    return {**_t5(hidden, layers), "feed_forward_proj": "gated-gelu"}


def _mbart(hidden: int, layers: int) -> dict[str, Any]:
    return {
        "d_model": hidden,
        "encoder_layers": layers,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 2 * hidden,
        "decoder_ffn_dim": 2 * hidden,
        "max_position_embeddings": MAX_LENGTH,
        "scale_embedding": True,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
    }


_ENCODER_DECODERS: Mapping[str, tuple[str, Callable[[int, int], dict[str, Any]]]] = {
    "m2m_100": ("M2M100Config", _mbart),
    "mbart": ("MBartConfig", _mbart),
    "mt5": ("MT5Config", _gated),
    "t5": ("T5Config", _t5),
    "umt5": ("UMT5Config", _gated),
}

_LLAMA = {"kind": "byte-level", "ends": None, "pads": False}
_QWEN = {"kind": "qwen", "begins": None, "ends": None}
_GEMMA = {"kind": "sentencepiece", "ends": None}
_T5 = {"begins": None}
_TOKENIZERS: Mapping[str, dict[str, Any]] = {
    "gemma": _GEMMA,
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "gpt2": {**_LLAMA, "begins": None},
    "llama": _LLAMA,
    "m2m_100": {"kind": "sentencepiece", "begins": "__en__"},
    "mbart": _T5,
    "mistral": {**_GEMMA, "pads": False},
    "mt5": _T5,
    "qwen2": _QWEN,
    "qwen3": _QWEN,
    "smollm3": _LLAMA,
    "t5": _T5,
    "umt5": _T5,
}
_LANGUAGES: Mapping[str, dict[str, Any]] = {
    "m2m_100": {"languages": ("__en__", "__id__")},
    "mbart": {"languages": ("en_XX", "id_ID"), "behind": "en_XX"},
}

TINY_FAMILIES: tuple[str, ...] = tuple(
    sorted([*_BERT_LIKE, "distilbert", "modernbert", *_DECODERS, *_ENCODER_DECODERS])
)
"""The families that `tiny_backbone` can build."""


def _fill(model: Any, seed: int, family: str) -> None:
    """Give every parameter values that depend on its name's rank, its shape and the seed alone."""
    import numpy as np
    import torch

    generator = np.random.default_rng(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            values = torch.from_numpy(generator.random(tuple(parameter.shape), dtype=np.float32)) * 2 - 1
            if name.endswith("bias"):
                parameter.copy_(0.2 * values)
            elif parameter.dim() == 1:
                # Scales of norms lie around one; Gemma adds the one itself.
                parameter.copy_(0.2 * values + (0 if family.startswith("gemma") else 1))
            elif "embedding" in name:
                parameter.copy_(values)
            else:
                parameter.copy_(values * (3.0 / parameter.shape[-1]) ** 0.5)
