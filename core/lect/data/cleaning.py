"""Cleaning: texts brought into one form, and rows left out that are no good, each counted by its reason."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from lect.data.examples import CONTENT, Example
from lect.data.scripts import expand, is_script, script_share, scripts_of
from lect.errors import DataError
from lect.languages.installed import load_py3langid

Tags = Annotated[tuple[str, ...], BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)]

_MORE_THAN_TEXTS = tuple(
    name for name in CONTENT if name not in ("text", "label", "text_pair", "translation", "language", "key")
)

CHANGES = ("normalised", "control characters")
"""What may have been changed in a row that stays."""
REASONS = (
    "empty",
    "broken characters",
    "too short",
    "too long",
    "wrong script",
    "ratio of lengths",
    "wrong language",
    "duplicate",
)
"""Why a row is left out, in the order in which it is asked: the first that holds counts."""


class Cleaning(BaseModel):
    """The table ``[data.cleaning]``: what is cleaned, and how strictly. Lengths are in characters.

    Args:
        normalise: Unicode's normal form of every text; ``none`` leaves texts as they are.
        control: take control characters out.
        broken: leave out rows with U+FFFD, which stands where something could not be decoded.
        shortest, longest: the lengths a text may have; None for no limit.
        scripts: ISO 15924 codes of the scripts that the text's letters should be of; () for those that its language is
            mostly written in. Rows whose language is not known are not asked.
        script_share: the least share of letters of these scripts; 0 not to ask. A text without letters has none.
        ratio: the largest ratio of the lengths of text and translation; None not to ask.
        identified_as: languages that a text should be identified as, by `py3langid`; () not to ask.
        not_identified_as: languages that it should not be identified as: those that often stray in, such as ``en``.
        certainty: the least probability at which `not_identified_as` counts.
        duplicates: leave out rows that say the same as an earlier one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    normalise: Literal["NFC", "NFKC", "none"] = "NFC"
    control: bool = True
    broken: bool = True
    shortest: Annotated[int, Field(ge=1)] | None = None
    longest: Annotated[int, Field(ge=1)] | None = 5000
    scripts: Tags = ()
    script_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    ratio: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = 5.0
    identified_as: Tags = ()
    not_identified_as: Tags = ()
    certainty: Annotated[float, Field(ge=0, le=1)] = 0.9
    duplicates: bool = True

    @field_validator("scripts")
    @classmethod
    def _scripts(cls, scripts: tuple[str, ...]) -> tuple[str, ...]:
        for code in scripts:
            if not is_script(code):
                raise ValueError(f'"{code}" should be an ISO 15924 code of a script, such as Latn or Nkoo')
        return expand(scripts)


@dataclass
class Counts:
    """How many rows there were, stayed, were changed, and were left out by which reason."""

    rows: int = 0
    kept: int = 0
    by_reason: Counter[str] = field(default_factory=Counter)

    @property
    def dropped(self) -> int:
        """The rows that were left out."""
        return self.rows - self.kept

    def as_dict(self) -> dict[str, int]:
        """Every count that is not zero, and those of all rows and of those that stayed."""
        named = {reason: self.by_reason[reason] for reason in (*CHANGES, *REASONS) if self.by_reason[reason]}
        return {"rows": self.rows, "kept": self.kept, **named}

    def __str__(self) -> str:
        dropped = ", ".join(f"{count:,} {reason}" for reason in REASONS if (count := self.by_reason[reason]))
        changed = ", ".join(f"{count:,} {reason}" for reason in CHANGES if (count := self.by_reason[reason]))
        line = f"{self.kept:,} of {self.rows:,} rows kept"
        line += f"; left out: {dropped}" if dropped else ""
        return line + (f"; changed: {changed}" if changed else "")


def clean(examples: Iterable[Example], cleaning: Cleaning, counts: Counts) -> Iterator[Example]:
    """The rows that stay, in one form.

    Rows with more than texts and a label (words with tags, spans of answers) are never changed, as their offsets would
    no longer be right; they can be left out.

    Args:
        counts: what is found is added there.

    Raises:
        DataError: languages are to be identified, and `py3langid` is not installed or does not know one.
    """
    identify = _identifier(cleaning)
    seen: set[bytes] = set()
    for example in examples:
        counts.rows += 1
        changed, found = _normalised(example, cleaning)
        reason = _reason(changed, cleaning, identify, seen)
        if reason is not None:
            counts.by_reason[reason] += 1
            continue
        counts.kept += 1
        counts.by_reason.update(found)
        yield changed


def has_more_than_texts(example: Example) -> bool:
    """Whether a row has more than texts and a label: words with tags, say, which a changed text would no longer fit."""
    if any(getattr(example, name) for name in _MORE_THAN_TEXTS):
        return True
    kept = {} if example.more is None else json.loads(example.more)
    return any(isinstance(value, list | dict) for value in kept.values())


def _normalised(example: Example, cleaning: Cleaning) -> tuple[Example, list[str]]:
    """The row in one form, and which `CHANGES` were made."""
    if has_more_than_texts(example):
        return example, []
    found: list[str] = []
    changed: dict[str, Any] = {}
    for name in ("text", "text_pair", "translation"):
        before = getattr(example, name)
        if before is None:
            continue
        text = before if cleaning.normalise == "none" else unicodedata.normalize(cleaning.normalise, before)
        if text != before and "normalised" not in found:
            found.append("normalised")
        if cleaning.control and (bare := _without_control(text)) != text:
            text = bare
            if "control characters" not in found:
                found.append("control characters")
        if text != before:
            changed[name] = text.strip()
    return (replace(example, **changed), found) if changed else (example, found)


def _without_control(text: str) -> str:
    """Without control characters; those that stand for a space become one. Joiners and direction marks stay."""
    if text.isprintable():
        return text
    import regex

    spaced: str = regex.sub(r"[\t\n\v\f\r\u0085\u2028\u2029]+", " ", text)
    bare: str = regex.sub(r"[\p{Cc}\p{Cn}\ufeff\u00ad]", "", spaced)
    return bare


def _reason(
    example: Example, cleaning: Cleaning, identify: Callable[[str], tuple[str, float]] | None, seen: set[bytes]
) -> str | None:
    text, translation = example.text, example.translation
    texts = [one for one in (text, translation) if one is not None]
    if not all(one.strip() for one in texts):
        return "empty"
    if cleaning.broken and any("\ufffd" in one for one in texts):
        return "broken characters"
    if cleaning.shortest is not None and min(map(len, texts)) < cleaning.shortest:
        return "too short"
    if cleaning.longest is not None and max(map(len, texts)) > cleaning.longest:
        return "too long"
    scripts = cleaning.scripts or (_scripts_of(example.language) if example.language else ())
    if scripts and cleaning.script_share and script_share(text, scripts) < cleaning.script_share:
        return "wrong script"
    if cleaning.ratio is not None and translation is not None:
        shorter, longer = sorted((len(text), len(translation)))
        if longer > cleaning.ratio * shorter:
            return "ratio of lengths"
    if identify is not None:
        language, probability = identify(text)
        if cleaning.identified_as and language not in map(_code, cleaning.identified_as):
            return "wrong language"
        if language in map(_code, cleaning.not_identified_as) and probability >= cleaning.certainty:
            return "wrong language"
    if cleaning.duplicates:
        # Not the texts themselves: there may be millions.
        bare = replace(example, key=None, origin="", lines=None, more=None, lacks=None)
        said = hashlib.blake2b(repr(bare).encode("utf-8", "surrogatepass"), digest_size=12)
        if said.digest() in seen:
            return "duplicate"
        seen.add(said.digest())
    return None


def _identifier(cleaning: Cleaning) -> Callable[[str], tuple[str, float]] | None:
    """Says a text's most likely language, as a canonical tag, and its probability."""
    wanted = (*cleaning.identified_as, *cleaning.not_identified_as)
    if not wanted:
        return None
    try:
        installed = load_py3langid()
    except ImportError:
        raise DataError(
            "identifying languages needs `py3langid`",
            where="data.cleaning",
            fix="install it: pip install py3langid",
        ) from None
    for tag in wanted:
        if _code(tag) not in installed.languages:
            raise DataError(
                f'`py3langid` does not know "{tag}" (it knows {len(installed.languages)} languages)',
                where="data.cleaning",
                fix="ask for the script, or name in not_identified_as the languages that stray in",
            )
    return installed.identify


@lru_cache(maxsize=256)
def _code(tag: str) -> str:
    from lect.languages.tags import normalise

    return normalise(tag).partition("-")[0]


@lru_cache(maxsize=256)
def _scripts_of(tag: str) -> tuple[str, ...]:
    return scripts_of(tag)
