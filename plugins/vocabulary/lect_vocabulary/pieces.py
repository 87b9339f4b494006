"""New pieces beside those of a backbone's tokenizer: what is added, how it is spliced in, how it is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, get_args

from tokenizers import Tokenizer

from lect import BackboneError, ComponentError

Algorithm = Literal["Unigram", "BPE", "WordPiece"]
"""How a tokenizer cuts a word: as its `tokenizers` JSON names it."""
FORMAT = "lect_pieces"
"""The key that tells a list of added pieces from a whole tokenizer; its value is the version of the format."""
VERSION = 1


@dataclass(frozen=True)
class LearnedPieces:
    """Pieces that a tokenizer gets behind its own, in the order of their ids.

    Args:
        base: `BaseTokenizer.digest` of the tokenizer they extend.
        scores: log probabilities, one a piece; of a unigram model only.
        merges: pairs that become pieces, in order, behind the tokenizer's own; of byte pair encoding only.
    """

    algorithm: Algorithm
    base: str
    pieces: tuple[str, ...]
    scores: tuple[float, ...] = ()
    merges: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> str:
        """What a component keeps in place of a whole tokenizer: only what is new. `new_tokens` reads it."""
        values: dict[str, Any] = {FORMAT: VERSION, "algorithm": self.algorithm, "base": self.base}
        values["pieces"] = self.pieces
        if self.algorithm == "Unigram":
            values["scores"] = self.scores
        if self.algorithm == "BPE":
            values["merges"] = self.merges
        return json.dumps(values, ensure_ascii=False)


class BaseTokenizer:
    """A backbone's own tokenizer, taken apart once."""

    def __init__(self, tokenizer_json: str) -> None:
        self._json = tokenizer_json

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer itself, which neither shortens nor pads."""
        made = Tokenizer.from_str(self._json)
        made.no_truncation()
        made.no_padding()
        return made

    @cached_property
    def parsed(self) -> Mapping[str, Any]:
        """Its JSON, not to be changed."""
        parsed: Mapping[str, Any] = json.loads(self._json)
        return parsed

    @cached_property
    def algorithm(self) -> Algorithm:
        """How it cuts words. Raises `BackboneError` for one that cannot be extended."""
        kind = self.parsed["model"]["type"]
        if kind not in get_args(Algorithm):
            raise BackboneError(
                f"new pieces need a tokenizer of kind {', '.join(get_args(Algorithm))}, and this backbone's is {kind}",
                fix="leave out the part vocabulary, or use another backbone, such as e5-small",
            )
        algorithm: Algorithm = kind
        return algorithm

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """The model's pieces and their ids, without what was added beside it."""
        vocabulary = self.parsed["model"]["vocab"]
        if self.algorithm == "Unigram":
            return {piece: index for index, (piece, _) in enumerate(vocabulary)}
        return dict(vocabulary)

    @cached_property
    def special(self) -> Mapping[str, int]:
        """The pieces added beside the model, and their ids."""
        return {entry["content"]: entry["id"] for entry in self.parsed["added_tokens"]}

    @cached_property
    def size(self) -> int:
        """The first id that it has not given away."""
        return max([*self.vocabulary.values(), *self.special.values()], default=-1) + 1

    @cached_property
    def lowest(self) -> float:
        """The lowest score of a unigram model's pieces; the score of unknown characters hangs on it."""
        return float(min(score for _, score in self.parsed["model"]["vocab"]))

    @cached_property
    def prefix(self) -> str:
        """What stands before a piece that does not begin a word, of WordPiece above all."""
        return str(self.parsed["model"].get("continuing_subword_prefix") or "")

    @cached_property
    def is_byte_level(self) -> bool:
        """Whether its pieces are written in GPT-2's characters for bytes."""
        return "ByteLevel" in json.dumps(self.parsed["pre_tokenizer"])

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the pieces and their ids, in hexadecimal digits."""
        state = hashlib.sha256(self.algorithm.encode())
        for piece, index in sorted({**self.vocabulary, **self.special}.items(), key=lambda entry: (entry[1], entry[0])):
            state.update(f"{index}\t{piece}\n".encode("utf-8", "surrogatepass"))
        return state.hexdigest()

    def tokenize(self, piece: str) -> list[int]:
        """The ids that the tokenizer had for a new piece's text; empty where part of it is unknown to it."""
        if self.algorithm == "WordPiece":
            return self._greedy(piece)
        try:
            found = [token.id for token in self.tokenizer.model.tokenize(piece)]
        except Exception:  # a BPE model without an unknown piece has no answer for some characters
            return []
        unknown = self._unknown
        return [] if unknown in found else found

    @cached_property
    def _unknown(self) -> int | None:
        model = self.parsed["model"]
        return model.get("unk_id") if self.algorithm == "Unigram" else self.vocabulary.get(model.get("unk_token"))

    def _greedy(self, piece: str) -> list[int]:
        # The model's own answer is for whole words only, and this may be a piece from within one.
        prefix, rest = (self.prefix, piece[len(self.prefix) :]) if piece.startswith(self.prefix) else ("", piece)
        found: list[int] = []
        while rest:
            end = next((end for end in range(len(rest), 0, -1) if prefix + rest[:end] in self.vocabulary), 0)
            if not end:
                return []
            found.append(self.vocabulary[prefix + rest[:end]])
            prefix, rest = self.prefix, rest[end:]
        return found


def splice(base: BaseTokenizer, new: LearnedPieces) -> str:
    """The tokenizer with these pieces behind its own, which keep their ids, as the JSON of `tokenizers`.

    A text in which none of the new pieces occurs is cut as before.

    Raises:
        ComponentError: the pieces are for another tokenizer.
    """
    if new.algorithm != base.algorithm or new.base != base.digest:
        raise ComponentError(
            "its new pieces are for another tokenizer than this backbone's",
            fix="use the backbone that they were learned for, or learn them again",
        )
    model = dict(base.parsed["model"])
    if new.algorithm == "Unigram":
        # Special pieces may have been added behind the model's own; the new ones come after those. The filling has the
        # lowest score there is already, since the score of unknown characters is counted from the lowest.
        filling = [[f"\u0000unused{index}", base.lowest] for index in range(len(model["vocab"]), base.size)]
        model["vocab"] = [*model["vocab"], *filling, *map(list, zip(new.pieces, new.scores, strict=True))]
    else:
        named = {index: piece for piece, index in base.special.items()}
        taken = set(base.vocabulary.values())
        filling = [index for index in range(base.size) if index not in taken]
        own = {named.get(index, f"\u0000unused{index}"): index for index in filling}
        added = {piece: base.size + index for index, piece in enumerate(new.pieces)}
        model["vocab"] = {**model["vocab"], **own, **added}
    if new.algorithm == "BPE":
        old = model["merges"]
        as_text = bool(old) and isinstance(old[0], str)
        model["merges"] = [*old, *(" ".join(pair) if as_text else list(pair) for pair in new.merges)]
    return json.dumps({**base.parsed, "model": model}, ensure_ascii=False)


def new_tokens(text: str) -> LearnedPieces | None:
    """The pieces that a text lists, None where it is a whole tokenizer.

    Raises:
        ComponentError: it is neither, or of a version that is not known here.
    """
    # A whole tokenizer may have hundreds of thousands of pieces: it is not parsed to be told apart.
    if f'"{FORMAT}"' not in text[:200]:
        return None
    try:
        values = json.loads(text)
        version = values[FORMAT]
        found = LearnedPieces(
            values["algorithm"],
            str(values["base"]),
            tuple(map(str, values["pieces"])),
            tuple(map(float, values.get("scores", ()))),
            tuple((str(left), str(right)) for left, right in values.get("merges", ())),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ComponentError(
            f"its list of new pieces cannot be read ({error})", fix="fetch or train it again"
        ) from None
    if version != VERSION:
        raise ComponentError(f"its list of new pieces is of version {version}", fix="install a newer lect-vocabulary")
    wrong_scores = found.algorithm == "Unigram" and len(found.scores) != len(found.pieces)
    if found.algorithm not in get_args(Algorithm) or wrong_scores or len(set(found.pieces)) < len(found.pieces):
        raise ComponentError("its list of new pieces is not whole", fix="fetch or train it again")
    return found


def extended_from(base: BaseTokenizer, tokenizer_json: str) -> int:
    """The number of pieces that a whole tokenizer has beside the base's own."""
    return BaseTokenizer(tokenizer_json).size - base.size


def surface(base: BaseTokenizer, piece: str) -> str:
    """The text of a piece, without the marks of its tokenizer."""
    if base.algorithm == "WordPiece":
        return piece.removeprefix(base.prefix)
    if base.is_byte_level:
        return from_byte_characters(piece).strip()
    return piece.replace("▁", " ").strip()


def from_byte_characters(piece: str) -> str:
    """The text that GPT-2's characters for bytes stand for (Radford et al. 2019); cut characters become U+FFFD."""
    values = _byte_values()
    return bytes(values[character] for character in piece if character in values).decode("utf-8", "replace")


@lru_cache(maxsize=1)
def _byte_values() -> Mapping[str, int]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    values = {chr(value): value for value in printable}
    rest = (value for value in range(256) if value not in set(printable))
    return {**values, **{chr(256 + index): value for index, value in enumerate(rest)}}


def distinct(pieces: Sequence[str], base: BaseTokenizer) -> list[str]:
    """Those of the pieces that the tokenizer lacks, each once."""
    return [piece for piece in dict.fromkeys(pieces) if piece not in base.vocabulary and piece not in base.special]
