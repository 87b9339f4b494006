"""Long texts as several rows, and where each piece stands in its text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lect.errors import RecipeError

if TYPE_CHECKING:
    from lect.composition.encode import RowEncoder

_LEAST = 8


@dataclass(frozen=True)
class Window:
    """A stretch of a text, or of the second text of a pair, as one row.

    Args:
        ids: the pieces, special ones included.
        type_ids: which text each piece is of, for backbones that tell two texts apart.
        texts: which text each piece is of, 0 or 1; None for special pieces and those of the backbone's prefix.
        offsets: where each piece stands in its text: its first character, and the one behind its last; (0, 0) where
            `texts` is None.
    """

    ids: tuple[int, ...]
    type_ids: tuple[int, ...]
    texts: tuple[int | None, ...]
    offsets: tuple[tuple[int, int], ...]
    overflowing: tuple[()] = ()

    def pieces_of(self, text: int) -> list[tuple[int, int, int]]:
        """The pieces of one text: their place in the row, their first character and the one behind their last."""
        return [(place, *self.offsets[place]) for place, whose in enumerate(self.texts) if whose == text]


@dataclass(frozen=True)
class Cutter:
    """How the tokenizer of one stack cuts texts into rows: what a head lays its examples out with."""

    encoder: RowEncoder
    stack: tuple[str, ...]

    def whole(self, texts: Sequence[str], pairs: Sequence[str | None] | None = None) -> list[Any]:
        """One row a text, or a pair where it has a second one; what is too long is cut.

        A row does not depend on whether others have a second text.
        """
        seconds = list(pairs) if pairs is not None else [None] * len(texts)
        rows: list[Any] = [None] * len(texts)
        for paired in (False, True):
            own = [index for index, second in enumerate(seconds) if bool(second) is paired]
            if not own:
                continue
            given = [seconds[index] or "" for index in own] if paired else None
            for index, row in zip(own, self.encoder.pieces([texts[i] for i in own], self.stack, given), strict=True):
                rows[index] = row
        return rows

    def windows(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, overlap: int = 0
    ) -> list[tuple[Window, ...]]:
        """Each text as one or several rows, so that nothing of it is lost; of pairs the second text is cut.

        Args:
            overlap: how many pieces two neighbouring rows share; fewer where rows are too short for it.
        """
        return self.encoder.windows(texts, self.stack, pairs, overlap)


def cut_windows(
    tokenizer: Any, texts: Sequence[str], pairs: Sequence[str] | None, prefix: str, max_length: int, overlap: int
) -> list[tuple[Window, ...]]:
    """Each text, or pair, as rows of at most `max_length` pieces. Leaves the tokenizer's truncation changed.

    Of a pair only the second text is spread over rows; the first one may fill half of a row.

    Raises:
        RecipeError: `max_length` leaves no room for a text.
    """
    room = max_length - tokenizer.num_special_tokens_to_add(pairs is not None)
    if room < _LEAST:
        raise RecipeError(
            f"rows of {max_length} pieces have no room for the text", where="training.max_length", fix="raise it"
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
