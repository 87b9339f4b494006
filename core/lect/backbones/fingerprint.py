"""A backbone's identity: one hash over its parameters and its tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lect.remembered import FilesState

#: Sentences in many scripts, with spaces, marks and signs that tokenizers treat in ways of their own. Any change here
#: changes every fingerprint.
PROBE = (
    "The quick brown fox can't jump 1,234.5 times over the lazy dog’s back!",
    "  two  spaces, a\ttab and a\nline end ",
    "Ünïcödé ﬁne ½ ① Ａｂｃ e\u0301 é ﷺ \u00a0\u200b\u200d",
    "Съешь ещё этих мягких французских булок, да выпей же чаю.",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.",
    "نص حكيم له سر قاطع وذو شأن عظيم؛ مَكْتُوب",
    "דג סקרן שט לו בים זך",
    "ߒߞߏ ߦߋ߫ ߓߟߏߘߐߦߊ߫ ߓߊ߯ߙߊ߫ ߖߟߎ߬ ߝߟߍ߫",
    "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ",
    "የኢትዮጵያ ሕዝብ ቋንቋ",
    "हिन्दी में एक क्षत्रिय वाक्य है।",
    "বাংলা ভাষায় লেখা একটি বাক্য",
    "தமிழில் ஒரு சொற்றொடர்",
    "ภาษาไทยเป็นภาษาที่ไม่มีการเว้นวรรค",
    "မြန်မာဘာသာ စာကြောင်း",
    "ᱥᱟᱱᱛᱟᱲᱤ ᱯᱟᱹᱨᱥᱤ",
    "𞤆𞤵𞤤𞤢𞤪 𞤬𞤵𞤤𞤬𞤵𞤤𞤣𞤫",
    "한국어 문장 하나와 각 자모",
    "日本語の文章、カタカナとひらがな。",
    "中文句子：繁體與简体。",
    "ქართული ენა და հայերեն լեզու",
    "👩‍👩‍👧 🇮🇩 ❤️ x<y && a_b == #tag @user https://lect.example/?q=1",
)
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


def folder_state(folder: Path) -> FilesState | None:
    """The files of a backbone's folder as they are now; None where they cannot be looked at."""
    try:
        return FilesState.of(file for file in folder.iterdir() if file.is_file())
    except OSError:
        return None


def fingerprint_of(model: Any, tokenizer: Any) -> str:
    """SHA-256 over a model's parameters and its tokenizer, as 64 hexadecimal digits.

    Of the parameters count names, types, shapes and bytes; of the tokenizer the vocabulary, the special tokens and how
    it cuts fixed sentences in many scripts. What a library's version changes about files and classes does not count.

    Args:
        model: a `transformers` model; what is attached to it does not count as long as it is no parameter of it.
        tokenizer: its fast tokenizer.
    """
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(_line("parameter", name, str(parameter.dtype), list(parameter.shape)))
        digest.update(_bytes_of(parameter))
    backend = tokenizer.backend_tokenizer
    vocabulary = backend.get_vocab(with_added_tokens=True)
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    digest.update(_line("vocabulary", tokens, [vocabulary[token] for token in tokens]))
    digest.update(_line("special", {name: tokenizer.special_tokens_map.get(name) for name in _SPECIAL}))
    with _uncut(backend):
        digest.update(_line("probe", [backend.encode(text).ids for text in PROBE]))
    return digest.hexdigest()


def _line(*content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _bytes_of(parameter: Tensor) -> memoryview:
    values = parameter.detach().cpu().contiguous()
    return values.view(-1).view(torch.uint8).numpy().data


@contextmanager
def _uncut(backend: Any) -> Iterator[None]:
    """A block in which the tokenizer neither shortens nor pads, whatever its last use has set."""
    truncation, padding = backend.truncation, backend.padding
    backend.no_truncation()
    backend.no_padding()
    try:
        yield
    finally:
        if truncation is not None:
            backend.enable_truncation(**truncation)
        if padding is not None:
            backend.enable_padding(**padding)
