"""What is read and what is written as tokens: prompts, language codes, ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lect.composition.encode import RowEncoder
from lect.errors import BackboneError, RecipeError
from lect.heads import Decoding, GenerationRequest

_LEAST = 4


@dataclass(frozen=True)
class Source:
    """What a backbone reads before it writes.

    Args:
        ids: the tokens that are read, special ones included.
        forced: of an encoder-decoder: what its answer begins with, whatever it would say itself.
        truncated: whether the text was cut.
    """

    ids: tuple[int, ...]
    forced: tuple[int, ...] = ()
    truncated: bool = False


@dataclass(frozen=True)
class _Frame:
    """The special tokens around a text, and whether a language's token stands in front of it, behind it or nowhere."""

    front: tuple[int, ...]
    back: tuple[int, ...]
    language: str | None

    def of(self, code: int | None, ordinary: frozenset[int]) -> _Frame:
        """The same with another language's token."""
        if code is None or self.language is None:
            return self

        def changed(ids: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(each if each in ordinary else code for each in ids)

        front = changed(self.front) if self.language == "front" else self.front
        back = changed(self.back) if self.language == "back" else self.back
        return _Frame(front, back, self.language)


def room_of(encoder: RowEncoder, decoding: Decoding) -> tuple[int, int]:
    """The most tokens of an answer, its end included, and of what is read, the words around the text included."""
    longest = min(decoding.longest, encoder.max_length // 2)
    # A decoder's row holds the text and its answer.
    return longest, encoder.max_length - (longest if encoder.model.backbone.kind == "decoder" else 0)


class Phrasing:
    """How the texts of one stack become tokens to read and to write, and tokens texts.

    A decoder reads its prompt as one text and goes on from there. Of an encoder-decoder, the encoder reads the text
    between the special tokens that its tokenizer puts around it, one of which may stand for the text's language
    (mBART, M2M100, NLLB); its decoder begins with a start token, the token of the language to write, or both, as its
    family was trained (Liu et al. 2020, section 2.2; Fan et al. 2021, section 4.1).

    Attributes:
        longest: the most tokens of an answer, its end included.
        room: the most tokens of what is read, the words around the text included.

    Raises:
        BackboneError: the backbone has no token for the end of a text.
    """

    def __init__(self, encoder: RowEncoder, stack: tuple[str, ...], decoding: Decoding) -> None:
        backbone = encoder.model.backbone
        self.stack, self._backbone = stack, backbone
        self._is_decoder = backbone.kind == "decoder"
        self._tokenizer: Any = encoder.tokenizer(stack)
        self._tokenizer.no_truncation()
        self._one_line = decoding.one_line and self._is_decoder
        self._ordinary = _ordinary(backbone.tokenizer)
        if backbone.tokenizer.eos_token_id is None:
            raise BackboneError(f'"{backbone.name}" has no token for the end of a text, so it would write without end')
        self.end = int(backbone.tokenizer.eos_token_id)
        self.longest, self.room = room_of(encoder, decoding)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """The tokens after which nothing is written."""
        if not self._one_line:
            return (self.end,)
        # How this tokenizer writes a line's end: as it is, as a letter that stands for the byte, or as <0x0A>.
        encoding = self._tokenizer.encode("\n", add_special_tokens=False)
        if not encoding.ids or encoding.ids[-1] in self._ordinary:
            return (self.end,)
        mark = encoding.tokens[-1]
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        return (self.end, *sorted(index for token, index in vocabulary.items() if mark in token and index != self.end))

    def source(self, request: GenerationRequest) -> Source:
        """What is read.

        Raises:
            RecipeError: the words around the text leave no room for it; a language's token is not known, or missing.
        """
        frame = self._frame.of(self._code(request.source_code, "source_code"), self._ordinary)
        front, back = frame.front, () if self._is_decoder else frame.back
        before = f"{self._backbone.prefix}{request.before}"
        room = self.room - len(front) - len(back)
        ids, text, truncated = self._plain(before + request.text + request.after), request.text, False
        while len(ids) > room:
            offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
            kept = len(offsets) - (len(ids) - room)
            if kept < min(_LEAST, len(offsets)) or not text:
                raise RecipeError(
                    f"rows of {self.room} tokens have no room for the text",
                    where="head.prompt",
                    fix="shorten the prompt, lower head.longest or raise training.max_length",
                )
            # Several tokens may be one character together: the text ends in front of the first that is left out.
            text, truncated = text[: min(offsets[kept - 1][1], offsets[kept][0])], True
            ids = self._plain(before + text + request.after)
        return Source((*front, *ids, *back), self._forced(request), truncated)

    def target(self, text: str, request: GenerationRequest) -> tuple[int, ...]:
        """What should be written behind a source, its end included; of a long text only the beginning."""
        ids = tuple(self._plain(f" {text}" if self._goes_on_with_space(request) else text))
        # Where it is cut, it does not end.
        return (*ids, self.end) if len(ids) < self.longest else ids[: self.longest]

    def text(self, ids: Sequence[int]) -> str:
        """The text that was written."""
        kept = []
        for index in ids:
            if index in self._ends:
                break
            kept.append(index)
        return " ".join(str(self._tokenizer.decode(kept, skip_special_tokens=True)).split())

    @cached_property
    def _ends(self) -> frozenset[int]:
        return frozenset(self.ends)

    @cached_property
    def _frame(self) -> _Frame:
        encoding = self._tokenizer.encode("a")
        plain = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        first, last = (plain[0], plain[-1] + 1) if plain else (len(encoding.ids), len(encoding.ids))
        front, back = tuple(encoding.ids[:first]), tuple(encoding.ids[last:])
        places = {"front": front, "back": back}
        own = [name for name, ids in places.items() if any(each not in self._ordinary for each in ids)]
        return _Frame(front, back, own[0] if own and not self._is_decoder else None)

    def _plain(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _goes_on_with_space(self, request: GenerationRequest) -> bool:
        """Whether the answer's first word needs a space in front of it to be cut as words within a text are."""
        if not self._is_decoder or (request.before + request.text + request.after)[-1:].isspace():
            return False
        tokens = self._tokenizer.encode("a", add_special_tokens=False).tokens
        return not (tokens and tokens[0].startswith("▁"))

    def _forced(self, request: GenerationRequest) -> tuple[int, ...]:
        if self._is_decoder:
            self._refuse_codes(request)
            return ()
        language = self._frame.language
        if language is None:
            self._refuse_codes(request)
            return (self._backbone.start_id,)
        code = self._code(request.target_code, "target_code")
        if code is None:
            raise RecipeError(
                f'"{self._backbone.name}" must be told which language to write',
                where="head.target_code",
                fix='name the language\'s token, such as "ind_Latn" (NLLB) or "id_ID" (mBART)',
            )
        return (code,) if language == "back" else (self._backbone.start_id, code)

    def _refuse_codes(self, request: GenerationRequest) -> None:
        for name in ("source_code", "target_code"):
            if getattr(request, name) is not None:
                raise RecipeError(
                    f'"{self._backbone.name}" has no tokens that stand for languages',
                    where=f"head.{name}",
                    fix="leave it out, and name the language in head.prompt",
                )

    def _code(self, token: str | None, field: str) -> int | None:
        if token is None:
            return None
        found = self._tokenizer.token_to_id(token)
        if found is None:
            added = self._tokenizer.get_added_tokens_decoder()
            known = sorted(
                each.content for index, each in added.items() if each.special and index not in self._ordinary
            )
            fix = f"it has {', '.join(known[:6])}{' …' if len(known) > 6 else ''}" if known else "leave it out"
            raise RecipeError(f'"{self._backbone.name}" has no token "{token}"', where=f"head.{field}", fix=fix)
        return int(found)


def padded(rows: Sequence[Sequence[int]], padding: int, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Tokens and their mask, *Shape:* ``(rows, length)`` each; short rows are filled up on the right, or the left."""
    length = max(map(len, rows))
    ids = torch.full((len(rows), length), padding)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        place = slice(length - len(row), length) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(row)
        mask[index, place] = 1
    return ids, mask


def _ordinary(tokenizer: Any) -> frozenset[int]:
    """Special tokens that stand for no language."""
    names = ("bos", "eos", "pad", "unk", "cls", "sep", "mask")
    found = (getattr(tokenizer, f"{name}_token_id", None) for name in names)
    return frozenset(int(index) for index in found if index is not None)
