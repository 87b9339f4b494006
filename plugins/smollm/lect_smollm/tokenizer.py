"""SmolLM2's tokenizer from the packed file's pieces and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lect_smollm.packed import Pieces


def build_tokenizer(pieces: Pieces) -> Any:
    """A `tokenizers.Tokenizer`: byte-level BPE that cuts digits one by one, as llama.cpp's ``smollm`` does.

    `transformers` can read tokenizers from GGUF files as well, but leaves the cutting of digits out.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {text: index for index, text in enumerate(pieces.texts)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(pieces.merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(pieces.texts[index], normalized=False, special=True) for index in pieces.special]
    )
    return tokenizer


def tokenizer_settings(pieces: Pieces, longest: int) -> dict[str, Any]:
    """What `transformers` wants to know of it beside."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": longest,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "bos_token": pieces.texts[pieces.begin],
        "eos_token": pieces.texts[pieces.end],
        "pad_token": pieces.texts[pieces.padding],
        "unk_token": pieces.texts[pieces.unknown],
    }
