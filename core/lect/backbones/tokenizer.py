"""A backbone's tokenizer: read from its folder, and copied without reading it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_BY_ITS_FILE = "PreTrainedTokenizerFast"
"""The class of transformers that adds nothing to what is in ``tokenizer.json``."""
_FILE = "tokenizer.json"
_OF_OTHER_WAYS = ("added_tokens.json", "chat_template.jinja", "chat_template.json", "additional_chat_templates")


def load_tokenizer(folder: Path, family: str) -> Any:
    """The fast tokenizer in a folder, as `transformers.AutoTokenizer` gives it.

    Where its class adds nothing to ``tokenizer.json``, that file is read once, by `tokenizers`. AutoTokenizer reads it
    twice, and imports much to find the class.

    Args:
        family: the ``model_type`` in ``config.json``.

    Raises:
        Exception: of whatever kind transformers raises where it cannot be read.
    """
    named = _arguments(folder, family)
    if named is None:
        from transformers.models.auto.tokenization_auto import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
    from transformers.tokenization_utils_fast import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(**named, tokenizer_file=str(folder / _FILE), name_or_path=str(folder))


def copy_backend(backend: Any) -> Any:
    """A `tokenizers.Tokenizer` that cuts as this one does, and whose truncation and padding are its own.

    The model within, its vocabulary, is shared: a copy of 250,000 tokens by way of text takes a second.
    """
    from tokenizers import Tokenizer

    copied = Tokenizer(backend.model)
    for stage in ("normalizer", "pre_tokenizer", "post_processor", "decoder"):
        if (own := getattr(backend, stage)) is not None:
            setattr(copied, stage, own)
    added = backend.get_added_tokens_decoder()
    for _, token in sorted(added.items()):
        (copied.add_special_tokens if token.special else copied.add_tokens)([token])
    copied.encode_special_tokens = backend.encode_special_tokens
    # Ids that are not counted on from the vocabulary's end are those of a file alone.
    return copied if copied.get_added_tokens_decoder() == added else Tokenizer.from_str(backend.to_str())


def highest_id(backend: Any) -> int:
    """The highest id that a tokenizer gives."""
    added: int = max(backend.get_added_tokens_decoder(), default=0)
    if type(backend.model).__name__ == "Unigram":
        # Its tokens are a list: making a dictionary of them takes half a second.
        return max(added, int(backend.get_vocab_size(with_added_tokens=False)) - 1)
    vocabulary: dict[str, int] = backend.get_vocab(with_added_tokens=False)
    return max(added, *vocabulary.values())


def _arguments(folder: Path, family: str) -> dict[str, Any] | None:
    """What the class by its file is made with; None where AutoTokenizer might choose or do otherwise."""
    from tokenizers import AddedToken

    if not (folder / _FILE).is_file() or any((folder / name).exists() for name in _OF_OTHER_WAYS):
        return None
    try:
        named = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        special_file = folder / "special_tokens_map.json"
        special = json.loads(special_file.read_text(encoding="utf-8")) if special_file.is_file() else {}
    except (OSError, ValueError):
        return None
    if not (isinstance(named, dict) and isinstance(special, dict)) or named.pop("tokenizer_class", "") != _BY_ITS_FILE:
        return None
    # It mends some tokenizers of this family.
    if "mistral" in family or {"auto_map", "tokenizer_file"} & named.keys():
        return None
    try:
        if (stated := named.get("added_tokens_decoder")) is not None:
            tokens = {int(index): AddedToken(**token) for index, token in stated.items()}
            texts = {str(token): token for token in tokens.values()}
            named["added_tokens_decoder"] = tokens
        else:
            named, texts = {**named, **special}, {}
        named = {key: _token(value) for key, value in named.items()}
        return {key: texts.get(value, value) if key.endswith("_token") else value for key, value in named.items()}
    except (TypeError, ValueError, AttributeError):
        return None


def _token(value: Any) -> Any:
    """A special token that is written with its settings, as one."""
    from tokenizers import AddedToken

    if isinstance(value, list):
        return [_token(each) for each in value]
    if not (isinstance(value, dict) and "content" in value):
        return value
    return AddedToken(**{**{key: own for key, own in value.items() if key != "__type"}, "special": True})
