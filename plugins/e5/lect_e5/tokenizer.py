"""XLM-R's tokenizer from the packed file's tokens, scores and normalisation table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lect.backbones.charsmap import character_steps

if TYPE_CHECKING:
    from lect_e5.packed import Tokens

SPACE_MARK = "▁"


def build_tokenizer(tokens: Tokens, normalisation: Mapping[str, str]) -> Any:
    """A `tokenizers.Tokenizer` that cuts as the packed file's own reader does.

    Like SentencePiece, and unlike that reader, it gives one unknown token for a run of unknown characters: so the
    model was trained, and so every other library cuts for it.

    Args:
        normalisation: single characters to what replaces them.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    texts = tokens.texts
    begin, end = texts[tokens.bos], texts[tokens.eos]
    tokenizer = Tokenizer(models.Unigram(list(zip(texts, tokens.scores, strict=True)), tokens.unk, False))
    tokenizer.normalizer = build_normalizer(normalisation)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE_MARK, prepend_scheme="always", split=True)
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE_MARK, prepend_scheme="always", split=True)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} {end} $B:0 {end}:0",
        special_tokens=[(begin, tokens.bos), (end, tokens.eos)],
    )
    special = [texts[index] for index in (tokens.bos, tokens.pad, tokens.eos, tokens.unk)]
    tokenizer.add_special_tokens(
        [AddedToken(text, normalized=False, special=True) for text in special]
        # The mask takes the space before it, as the token of a word would.
        + [AddedToken(tokens.mask, lstrip=True, normalized=False, special=True)] * (tokens.mask is not None)
    )
    return tokenizer


def build_normalizer(table: Mapping[str, str]) -> Any:
    """A `tokenizers` normaliser: every character by the table, then runs of spaces as one."""
    from tokenizers import Regex, normalizers

    return normalizers.Sequence([*character_steps(table), normalizers.Replace(Regex(" {2,}"), " ")])
