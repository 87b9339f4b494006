"""Annotations of a recording in tiers, joined by what they annotate, or by time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation of a tier.

    Args:
        above: the annotation that it annotates; "" where it annotates the recording itself.
        begin, end: milliseconds, where they are known.
    """

    name: str
    text: str
    above: str
    begin: int | None
    end: int | None
    line: int


def joined(
    texts: Iterable[Annotation], translations: Iterable[Annotation], everything: Mapping[str, Annotation]
) -> Iterator[tuple[list[Annotation], list[Annotation]]]:
    """Texts with their translations, each in the order of the file; of what has none, an empty list.

    A translation belongs to the text that it annotates, directly or by way of others, or that annotates it, or that
    annotates the same as it does. Others belong to the text in whose time their middle is, or whose middle is in
    theirs.

    Args:
        everything: every annotation by its name.
    """
    ours = [each for each in texts if each.text]
    groups: dict[str, tuple[list[Annotation], list[Annotation]]] = {}
    owners: dict[str, list[Annotation]] = {}
    for text in ours:
        for above in lineage(text, everything):
            owners.setdefault(above.name, []).append(text)
    group_of: dict[str, str] = {}
    gathered: set[str] = set()
    rest = []
    for translation in translations:
        if not translation.text:
            continue
        name = next((above.name for above in lineage(translation, everything) if above.name in owners), None)
        if name is None:
            rest.append(translation)
            continue
        # A text that is in a group already takes the translation there.
        group = group_of.get(owners[name][0].name, name)
        held = groups.setdefault(group, ([], []))
        for text in owners[name] if name not in gathered else ():
            if text.name not in group_of:
                group_of[text.name] = group
                held[0].append(text)
        gathered.add(name)
        held[1].append(translation)
    _by_time([text for text in ours if text.name not in group_of], rest, groups, group_of)
    given: set[str] = set()
    for text in ours:
        group = group_of.get(text.name, "")
        if not group:
            yield [text], []
        elif group not in given:
            given.add(group)
            yield groups[group]


def lineage(annotation: Annotation, everything: Mapping[str, Annotation]) -> Iterator[Annotation]:
    """The annotation and what it annotates, one above the other; tiers are no deeper than that."""
    at: Annotation | None = annotation
    for _ in range(_DEEPEST):
        if at is None:
            return
        yield at
        at = everything.get(at.above)


def _by_time(
    texts: list[Annotation],
    translations: list[Annotation],
    groups: dict[str, tuple[list[Annotation], list[Annotation]]],
    group_of: dict[str, str],
) -> None:
    timed, others = _in_time(texts), _in_time(translations)
    for translation in others:
        text = _around(timed, translation)
        if text is not None:
            group_of[text.name] = text.name
            groups.setdefault(text.name, ([text], []))[1].append(translation)
    for text in timed:
        around = _around(others, text) if text.name not in group_of else None
        if around is not None:
            group = f"time {around.name}"
            held = groups.setdefault(group, ([], [around]))
            held[0].append(text)
            group_of[text.name] = group


def _in_time(annotations: list[Annotation]) -> list[Annotation]:
    return sorted((each for each in annotations if _middle(each) is not None), key=lambda each: (each.begin, each.end))


def _around(timed: list[Annotation], inner: Annotation) -> Annotation | None:
    """The one in whose time the middle of another is; they stand in order and, in a tier, not one over the other."""
    middle = _middle(inner)
    assert middle is not None
    at = bisect_right(timed, middle, key=lambda each: each.begin or 0) - 1
    # Of several speakers' tiers an earlier one may last longer.
    for found in reversed(timed[max(0, at - 3) : at + 1]):
        if found.end is not None and middle <= found.end:
            return found
    return None


def _middle(annotation: Annotation) -> float | None:
    if annotation.begin is None or annotation.end is None:
        return None
    return (annotation.begin + annotation.end) / 2
