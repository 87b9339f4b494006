"""SmolLM2's tokenizer from the packed file's tokens and merges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lect_smollm.packed import Tokens


def build_tokenizer(tokens: Tokens) -> Any:
    """A `tokenizers.Tokenizer`: byte-level BPE that cuts digits one by one, as llama.cpp's ``smollm`` does.

    `transformers` can read tokenizers from GGUF files as well, but leaves the cutting of digits out.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    vocabulary = {text: index for index, text in enumerate(tokens.texts)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=list(tokens.merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [AddedToken(tokens.texts[index], normalized=False, special=True) for index in tokens.special]
    )
    return tokenizer


def tokenizer_settings(tokens: Tokens, longest: int) -> dict[str, Any]:
    """What `transformers` wants to know of it beside."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": longest,
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "bos_token": tokens.texts[tokens.begin],
        "eos_token": tokens.texts[tokens.end],
        "pad_token": tokens.texts[tokens.padding],
        "unk_token": tokens.texts[tokens.unknown],
    }
