"""Which tokens of a tokenizer texts and scripts need, and the tokenizer with those alone."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from lect.errors import BackboneError, DataError

_LONGEST = 20_000
"""Characters of a text that are cut at a time."""
_BATCH = 1024
_COMMON = ("Zyyy", "Zinh")
"""Digits, punctuation and marks, which every script uses."""
_SEVERAL = {
    "Jpan": ("Hira", "Kana", "Hani"),
    "Kore": ("Hang", "Hani"),
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Hanb": ("Hani", "Bopo"),
    "Hrkt": ("Hira", "Kana"),
    "Jamo": ("Hang",),
    "Aran": ("Arab",),
}
_MARKERS = ("▁", "##")


def scripts_of(languages: Iterable[str]) -> tuple[str, ...]:
    """The scripts that languages are written in, by their ISO 15924 codes: the tag's own, else the likeliest one.

    Raises:
        DataError: a tag is none, or no script is known for it.
    """
    import langcodes

    from lect.languages.tags import normalise

    found: dict[str, None] = {}
    for language in languages:
        script = langcodes.Language.get(normalise(language)).maximize().script
        if script is None:
            raise DataError(
                f'no script is known for "{language}"', where="--languages", fix=f"say which: {language}-Latn, say"
            )
        found |= dict.fromkeys(_SEVERAL.get(script, (script,)))
    return tuple(found)


def count_tokens(tokenizer: Any, texts: Iterable[str], prefix: str = "") -> Counter[int]:
    """How often each token occurs in texts, by its id; each text is cut with the prefix before it and without."""
    counts: Counter[int] = Counter()
    for batch in batches(texts):
        for text in {"", prefix}:
            for encoding in tokenizer.encode_batch([f"{text}{each}" for each in batch]):
                counts.update(encoding.ids)
    return counts


def batches(texts: Iterable[str]) -> Iterable[list[str]]:
    """The texts some at a time, the longest in tokens: a file may be one line of fifty megabytes."""
    batch: list[str] = []
    for text in texts:
        for start in range(0, len(text), _LONGEST):
            batch.append(text[start : start + _LONGEST])
            if len(batch) >= _BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


class Tokens:
    """The tokens of one tokenizer: which of them are written in some script, and which others each is made of.

    Args:
        tokenizer_json: in the format of the `tokenizers` library.

    Raises:
        BackboneError: it is of a kind that cannot be cut down.
    """

    def __init__(self, tokenizer_json: str) -> None:
        self._tokenizer: dict[str, Any] = json.loads(tokenizer_json)
        self._model = self._tokenizer["model"]
        kind = self._model.get("type")
        if kind not in {"Unigram", "BPE", "WordPiece", "WordLevel"}:
            raise BackboneError(f"tokenizers of the kind {kind} cannot be trimmed")
        if (self._model.get("continuing_subword_prefix") and kind == "BPE") or self._model.get("end_of_word_suffix"):
            raise BackboneError("BPE tokenizers with marks inside or at the end of words cannot be trimmed")
        vocabulary = self._model["vocab"]
        self.texts: dict[int, str] = (
            {index: token for index, (token, _) in enumerate(vocabulary)}
            if kind == "Unigram"
            else {index: token for token, index in vocabulary.items()}
        )
        self._added = {entry["id"]: entry["content"] for entry in self._tokenizer["added_tokens"]}
        self._spelt = _spelling(self._tokenizer)

    def essential(self) -> set[int]:
        """What every text may need: special tokens, single bytes, and what unknown characters are scored by."""
        kept = set(self._added)
        for index, token in self.texts.items():
            is_byte = token.startswith("<0x") and token.endswith(">")
            is_byte = is_byte or (self._spelt is not None and len(token) == 1)
            if is_byte or token == self._model.get("unk_token"):
                kept.add(index)
        if self._model["type"] == "Unigram":
            # The library takes an unknown character for so much less likely than the least likely token.
            scores = [score for _, score in self._model["vocab"]]
            kept.add(min(range(len(scores)), key=scores.__getitem__))
            if self._model.get("unk_id") is not None:
                kept.add(self._model["unk_id"])
        return kept

    def of_scripts(self, scripts: Sequence[str]) -> set[int]:
        """Every token that is written in these scripts, digits, punctuation and marks alone."""
        import regex

        allowed = "".join(rf"\p{{sc={script}}}" for script in (*scripts, *_COMMON))
        matches = regex.compile(f"[{allowed}]+").fullmatch
        return self._whose(lambda text: not text or matches(text) is not None)

    def single_characters(self, scripts: Sequence[str] = (), like: Iterable[str] = ()) -> set[int]:
        """Every token of one character of these scripts, or of the scripts that some texts are written in.

        Digits, punctuation and marks count to every script. A script that has less than a hundredth of the letters of
        the texts is taken for a stranger in them.
        """
        import regex

        allowed = "".join(rf"\p{{sc={script}}}" for script in (*scripts, *_COMMON))
        matches = regex.compile(f"[{allowed}]").fullmatch
        families = Counter(_family(letter) for text in like for letter in text if letter.isalpha())
        own = {family for family, count in families.items() if count * 100 >= families.total()}
        return self._whose(lambda text: len(text) == 1 and (matches(text) is not None or _family(text) in own))

    def with_parts(self, ids: Iterable[int]) -> set[int]:
        """These tokens, and those that the tokenizer puts together on its way to each of them."""
        kept = set(ids)
        if self._model["type"] != "BPE":
            return kept
        numbers = {token: index for index, token in self.texts.items()}
        ranks = {pair: rank for rank, pair in enumerate(map(_pair, self._model["merges"]))}
        for index in tuple(kept):
            if index in self.texts and index not in self._added:
                kept |= {numbers[part] for part in _steps(self.texts[index], ranks) if part in numbers}
        return kept

    def _whose(self, wanted: Callable[[str], bool]) -> set[int]:
        return {index for index, token in self.texts.items() if wanted(self._text(token))}

    def _text(self, token: str) -> str:
        """What a token writes. Of a token that is a part of a character it is nothing."""
        if self._spelt is None:
            for marker in _MARKERS:
                token = token.removeprefix(marker)
            return token.replace("▁", " ").strip()
        try:
            written = bytes(self._spelt[letter] for letter in token).decode("utf-8", "strict")
        except (KeyError, UnicodeDecodeError):
            return ""
        return written.strip()


def trim_tokenizer(tokenizer_json: str, ids: Sequence[int]) -> str:
    """The tokenizer with these tokens alone, in their order, numbered from 0.

    Args:
        ids: rising; all added tokens are among them.
    """
    tokenizer = json.loads(tokenizer_json)
    new = {old: index for index, old in enumerate(ids)}
    model = tokenizer["model"]
    if model["type"] == "Unigram":
        model["vocab"] = [entry for index, entry in enumerate(model["vocab"]) if index in new]
        if model.get("unk_id") is not None:
            model["unk_id"] = new[model["unk_id"]]
    else:
        model["vocab"] = {token: new[index] for token, index in model["vocab"].items() if index in new}
    if model["type"] == "BPE":
        there = model["vocab"].keys()
        model["merges"] = [
            merge
            for merge in model["merges"]
            if (pair := _pair(merge)) and pair[0] in there and pair[1] in there and "".join(pair) in there
        ]
    for entry in tokenizer["added_tokens"]:
        entry["id"] = new[entry["id"]]
    if tokenizer.get("padding"):
        tokenizer["padding"]["pad_id"] = new[tokenizer["padding"]["pad_id"]]
    _renumber(tokenizer.get("post_processor"), new)
    return json.dumps(tokenizer, ensure_ascii=False)


def _renumber(processor: Any, new: Mapping[int, int]) -> None:
    if not processor:
        return
    for inner in processor.get("processors", ()):
        _renumber(inner, new)
    for side in ("sep", "cls"):
        if side in processor:
            text, index = processor[side]
            processor[side] = [text, new[index]]
    if processor["type"] == "TemplateProcessing":
        for special in processor["special_tokens"].values():
            special["ids"] = [new[index] for index in special["ids"]]


def _pair(merge: Any) -> tuple[str, str]:
    first, second = merge.split(" ") if isinstance(merge, str) else merge
    return first, second


def _steps(token: str, ranks: Mapping[tuple[str, str], int]) -> set[str]:
    """What byte pair encoding (Sennrich et al. 2016, algorithm 1) makes on its way to a token, the token too."""
    parts = list(token)
    steps = set(parts)
    while len(parts) > 1:
        pairs = list(pairwise(parts))
        place = min(range(len(pairs)), key=lambda index: ranks.get(pairs[index], len(ranks)))
        if pairs[place] not in ranks:
            break
        parts[place : place + 2] = ["".join(pairs[place])]
        steps.add(parts[place])
    return steps


def _spelling(tokenizer: Mapping[str, Any]) -> dict[str, int] | None:
    """The byte that each letter stands for, in a tokenizer that works on bytes; None in others."""
    stages = [tokenizer.get("pre_tokenizer") or {}, tokenizer.get("decoder") or {}]
    kinds = {inner.get("type") for stage in stages for inner in (stage, *stage.get("pretokenizers", ()))}
    if "ByteLevel" not in kinds:
        return None
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + place): byte for place, byte in enumerate(others)}


def _family(letter: str) -> str:
    """The first word of a character's name, which for letters is their script's."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
