"""XLM-R's tokenizer from the packed file's tokens, scores and normalisation table."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lect_e5.charsmap import precompiled_charsmap

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
    """A `tokenizers` normaliser: every character by the table, whatever stands beside it, then runs of spaces as one.

    `Precompiled` does not go by characters but by grapheme clusters: where the first character of a short cluster is
    in the table, its replacement takes the place of the whole cluster, and the marks behind it are lost. So a control
    character, which ends a cluster always, is put behind each such character; it is itself one that the table maps to
    nothing, and goes with the rest. Characters that map to nothing go first, since `Precompiled` loses count of what it
    removes before the first character that stays.
    """
    from tokenizers import Regex, normalizers

    removed = {character for character, replacement in table.items() if not replacement}
    kept = {character: replacement for character, replacement in table.items() if replacement}
    steps: list[Any] = []
    if removed:
        steps.append(normalizers.Replace(Regex(_any_of(removed)), ""))
    if kept:
        breaker = next((character for character in sorted(removed) if _ends_clusters(character)), None)
        if breaker is None:
            raise ValueError("the normalisation table removes no control character")
        steps.append(normalizers.Replace(Regex(f"(?<={_any_of(kept)})"), breaker))
        steps.append(normalizers.Precompiled(precompiled_charsmap({**kept, breaker: ""})))
    steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    return normalizers.Sequence(steps)


def _ends_clusters(character: str) -> bool:
    # NUL is the one control character that a character map cannot hold; CR and LF join each other.
    return unicodedata.category(character) == "Cc" and character not in "\0\r\n"


def _any_of(characters: Iterable[str]) -> str:
    """A character class in Oniguruma's syntax."""
    runs: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if runs and code == runs[-1][1] + 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "[" + "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in runs) + "]"
