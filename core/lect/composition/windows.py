"""Long texts as several rows, and where each token stands in its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lect.errors import RecipeError
from lect.heads import Window

_LEAST = 8


def cut_windows(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, prefix: str, max_length: int, overlap: int
) -> list[tuple[Window, ...]]:
    """Each text, or pair, as rows of at most `max_length` tokens. Leaves the tokenizer's truncation changed.

    Of a pair only the second text is spread over rows; the first one may fill half of a row.

    Raises:
        RecipeError: `max_length` leaves no room for a text.
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pairs is not None)
    if room < _LEAST:
        raise RecipeError(
            f"rows of {max_length} tokens have no room for the text", where="training.max_length", fix="raise it"
        )
    inputs: list[Any] = [f"{prefix}{text}" for text in texts]
    if pairs is None:
        tokenizer.enable_truncation(max_length, stride=min(overlap, room // 2))
    else:
        half = room // 2
        tokenizer.no_truncation()
        for index, encoding in enumerate(tokenizer.encode_batch(inputs, add_special_tokens=False)):
            if len(encoding.ids) > half:
                inputs[index] = inputs[index][: encoding.offsets[half - 1][1]]
        inputs = list(zip(inputs, pairs, strict=True))
        tokenizer.enable_truncation(max_length, stride=min(overlap, (room - half) // 2), strategy="only_second")
    encodings = tokenizer.encode_batch(inputs)
    return [tuple(_window(each, len(prefix)) for each in (one, *one.overflowing)) for one in encodings]


def _window(encoding: Any, prefix: int) -> Window:
    texts: list[int | None] = []
    offsets: list[tuple[int, int]] = []
    for whose, (start, end) in zip(encoding.sequence_ids, encoding.offsets, strict=True):
        shift = prefix if whose == 0 else 0
        if whose is None or (shift and end <= shift):
            texts.append(None)
            offsets.append((0, 0))
        else:
            texts.append(whose)
            offsets.append((max(0, start - shift), end - shift))
    return Window(tuple(encoding.ids), tuple(encoding.type_ids), tuple(texts), tuple(offsets))


def describe_truncated(truncated: tuple[str, ...], total: int, limit: int) -> str | None:
    """One line about texts that are longer than the backbone reads, or None."""
    return describe_cut(len(truncated), truncated[0], total, limit) if truncated else None


def describe_cut(count: int, first: str, total: int, limit: int) -> str:
    """One line about so many texts that are longer than the backbone reads."""
    return f"{count} of {total} texts are longer than {limit} tokens and were cut (first: {first})"
