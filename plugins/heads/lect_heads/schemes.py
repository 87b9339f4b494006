"""Schemes for tags of entities: BIO in its two kinds, BIOES, and what stands in them.

Ramshaw & Marcus (1995); Tjong Kim Sang & Veenstra (1999). IOB1 marks a beginning only where two entities of a kind
touch; IOB2, called BIO, marks every one; BIOES marks ends and single words, too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

Scheme = Literal["iob1", "bio", "bioes"]
Entity = tuple[str, int, int]
"""A type, the first word, and the one behind the last."""


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities of a sentence, of whichever scheme: what `conlleval` and `seqeval` in its default mode find.

    A tag that goes on with nothing begins an entity. Tags without a dash, such as ``O``, are outside.
    """
    found: list[Entity] = []
    start, kind, before = 0, "", "O"
    for place, tag in enumerate([*tags, "O"]):
        prefix, own = _parts(tag)
        if _ends(before, prefix, kind, own):
            found.append((kind, start, place))
        if _starts(before, prefix, kind, own):
            start = place
        before, kind = prefix, own
    return found


def write(found: Sequence[Entity], length: int, scheme: Scheme = "bio") -> tuple[str, ...]:
    """The tags of a sentence of so many words with these entities, none of which overlap."""
    tags = ["O"] * length
    for kind, start, end in found:
        for place in range(start, end):
            tags[place] = f"I-{kind}"
        if scheme == "bio":
            tags[start] = f"B-{kind}"
        elif scheme == "bioes":
            tags[end - 1] = f"E-{kind}"
            tags[start] = f"{'S' if end - start == 1 else 'B'}-{kind}"
    if scheme == "iob1":
        for kind, start, _ in found:
            if start and tags[start - 1].partition("-")[2] == kind:
                tags[start] = f"B-{kind}"
    return tuple(tags)


def convert(tags: Sequence[str], scheme: Scheme = "bio") -> tuple[str, ...]:
    """The same entities in a scheme; those of any scheme are read."""
    return write(entities(tags), len(tags), scheme)


def is_tag(tag: str) -> bool:
    """Whether this is a tag of any of the schemes."""
    prefix, _, kind = tag.partition("-")
    return tag == "O" or (prefix in {"B", "I", "E", "S", "L", "U"} and bool(kind))


def meant(tag: str) -> str:
    """A clause that says what was meant by what is no tag of an entity, or how one is written."""
    if tag == "0":
        return 'that is a zero: did you mean "O", the letter?'
    if tag.upper() == "O":
        return 'did you mean "O"?'
    found = re.fullmatch(r"([BIESLU])[-_:](\S+)", tag, re.IGNORECASE)
    if found:
        return f'did you mean "{found[1].upper()}-{found[2]}"?'
    return 'write B-PER, I-PER, O; or use kind = "pos"'


def _parts(tag: str) -> tuple[str, str]:
    prefix, _, kind = tag.partition("-")
    # BILOU's last and unit are BIOES's end and single.
    return {"L": "E", "U": "S"}.get(prefix, prefix), kind or "_"


def _ends(before: str, prefix: str, kind: str, own: str) -> bool:
    if before == "O":
        return False
    return before in {"E", "S"} or prefix in {"B", "S", "O"} or kind != own


def _starts(before: str, prefix: str, kind: str, own: str) -> bool:
    if prefix == "O":
        return False
    return prefix in {"B", "S"} or before in {"E", "S", "O"} or kind != own
