"""Tiny backbones for tests: every family, seeded, built in code in a moment, the same under every library version."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lect.backbones.backbone import Backbone
from lect.backbones.quiet import quiet_transformers
from lect.errors import nearest
from lect.files import folder_aside

MAX_LENGTH = 128
_SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
_BOS, _PAD, _EOS, _UNK = range(4)
_MASK = "<mask>"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?'\"()/&%+=#@-_éèüöäßñçàêîôûåø"
_OTHER_LETTERS = "абвгдежзийклмнопрстуфхцчшщъыьэюяابتثجحخدذرزسشصضطظعغفقكلمنهوي"
_WORDS = (
    "the of and to in a is that it for was on are with as be this have from or by not but what all were we when there "
    "can an your which their said if do will each about how up out them then she many some so these would other into "
    "has more her two like him see time could no make than first been its who now people my made over did down only "
    "way find use may water long little very after words called just where most know good bad day year house city "
    "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena bisa ada mereka lebih kata sangat "
    "query :"
)
_ENDINGS = "s ed ing er est ly tion ment ness able an kan nya ku mu"


def tiny_backbone(family: str = "xlm-roberta", seed: int = 0, hidden: int = 32, layers: int = 2) -> Backbone:
    """A backbone of random weights, large enough that any change to its input shows in its output.

    The weights depend on nothing but the arguments. The tokenizer is a small unigram one like XLM-R's.

    Args:
        family: a `model_type`: one of `TINY_FAMILIES`.
        hidden: the width of a hidden state, a multiple of 16.

    Raises:
        ValueError: there is no tiny backbone of this family.
    """
    import torch
    from transformers import MODEL_MAPPING

    if family not in TINY_FAMILIES:
        raise ValueError(f'there is no tiny backbone of family "{family}"; {nearest(family, TINY_FAMILIES)}')
    tokenizer = _tokenizer()
    config = _config(family, len(tokenizer), hidden, layers)
    kind = MODEL_MAPPING[type(config)]
    with torch.random.fork_rng(devices=[]):
        model = _without_pooler(kind, config)
    _fill(model, seed)
    model.requires_grad_(False)
    name = f"tiny-{family}"
    return Backbone(name, f"{name} (seed {seed}, {layers} layers of {hidden})", model.eval(), tokenizer, licence="MIT")


def save_tiny_backbone(
    folder: Path | str, family: str = "xlm-roberta", seed: int = 0, hidden: int = 32, layers: int = 2
) -> Path:
    """A tiny backbone as a folder that `transformers` loads; returns the folder. Arguments as in `tiny_backbone`."""
    backbone = tiny_backbone(family, seed, hidden, layers)
    with quiet_transformers(), folder_aside(folder) as aside:
        backbone.model.save_pretrained(aside)
        backbone.tokenizer.save_pretrained(aside)
    return Path(folder)


# ---------------------------------------------------------------------------------------------------------- the model


def _config(family: str, vocabulary: int, hidden: int, layers: int) -> Any:
    import transformers

    common: dict[str, Any] = {
        "vocab_size": vocabulary,
        "pad_token_id": _PAD,
        "bos_token_id": _BOS,
        "eos_token_id": _EOS,
    }
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
            cls_token_id=_BOS,
            sep_token_id=_EOS,
            global_attn_every_n_layers=2,
            local_attention=16,
        )
        if hasattr(config, "reference_compile"):
            config.reference_compile = False
        config._attn_implementation = "sdpa"
        return config
    kind, own = _BERT_LIKE[family]
    return getattr(transformers, kind)(**{**common, **own(hidden)})


def _from_padding_on(_hidden: int) -> dict[str, Any]:
    # Positions are counted from the padding id on.
    return {"max_position_embeddings": MAX_LENGTH + _PAD + 1, "type_vocab_size": 1}


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

TINY_FAMILIES: tuple[str, ...] = tuple(sorted([*_BERT_LIKE, "distilbert", "modernbert"]))
"""The families that `tiny_backbone` can build."""


def _without_pooler(kind: Any, config: Any) -> Any:
    if "add_pooling_layer" in inspect.signature(kind.__init__).parameters:
        return kind(config, add_pooling_layer=False)
    return kind(config)


def _fill(model: Any, seed: int) -> None:
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
                # Scales of norms lie around one.
                parameter.copy_(1 + 0.2 * values)
            elif "embedding" in name:
                parameter.copy_(values)
            else:
                parameter.copy_(values * (3.0 / parameter.shape[-1]) ** 0.5)


# ------------------------------------------------------------------------------------------------------ the tokenizer


def _tokenizer() -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [(text, 0.0) for text in _SPECIAL] + _pieces() + [(_MASK, 0.0)]
    backend = Tokenizer(models.Unigram(pieces, _UNK, False))
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B:0 </s>:0",
        special_tokens=[("<s>", _BOS), ("</s>", _EOS)],
    )
    backend.add_special_tokens([AddedToken(text, normalized=False, special=True) for text in (*_SPECIAL, _MASK)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token=_MASK,
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def _pieces() -> list[tuple[str, float]]:
    ranked = [
        "▁",
        *(f"▁{word}" for word in _WORDS.split() if len(word) > 1),
        *_ENDINGS.split(),
        *_LETTERS,
        *_OTHER_LETTERS,
    ]
    # Zipf's law: what comes first is the most frequent.
    return [(piece, -2.0 - math.log(rank)) for rank, piece in enumerate(dict.fromkeys(ranked), start=2)]
