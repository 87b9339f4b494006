"""What there is for each language: its components, and what evaluations say of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lect.errors import DataError, RegistryError
from lect.languages.tags import is_tag, normalise
from lect.pages.things import ShownComponent, read_component
from lect.registry.folder import read_folder_registry
from lect.registry.format import FILE
from lect.scores import Direction
from lect.selection.donors import languages_of
from lect.storage.library import Library

_FIX = "name the JSON of a matrix: lect eval MATRIX.toml --output report.json"


@dataclass(frozen=True)
class LanguageScore:
    """A stack's score on a data set in a language, as a matrix gave it.

    Args:
        without: of what is left where the language's component is left out; None where that was not scored.
        p: of the difference, by Holm's procedure over the matrix.
    """

    dataset: str
    stack: str
    metric: str
    value: float
    low: float
    high: float
    rows: int
    direction: Direction = "higher"
    without: float | None = None
    p: float | None = None


@dataclass(frozen=True)
class ShownLanguage:
    """A language, and what there is for it.

    Args:
        tag: canonical.
        components: those that teach the language, and then tasks whose labels are in it.
    """

    tag: str
    components: tuple[ShownComponent, ...] = ()
    scores: tuple[LanguageScore, ...] = ()

    @property
    def teaches(self) -> tuple[ShownComponent, ...]:
        """The components that teach the language."""
        return tuple(each for each in self.components if each.manifest.role == "lang")

    @property
    def tasks(self) -> tuple[ShownComponent, ...]:
        """The tasks whose labels are in the language."""
        return tuple(each for each in self.components if each.manifest.role != "lang")


def gather_languages(
    components: Iterable[ShownComponent], reports: Sequence[Path] = (), wanted: Sequence[str] = ()
) -> list[ShownLanguage]:
    """The languages of components and reports, by their tags.

    Args:
        reports: what ``lect eval MATRIX.toml --output report.json`` wrote.
        wanted: tags or names of those that are shown; all if none are named.

    Raises:
        DataError: a report is none, or there is nothing for a language that is wanted.
    """
    scores: dict[str, list[LanguageScore]] = {}
    for report in reports:
        for tag, found in matrix_scores(report).items():
            scores.setdefault(tag, []).extend(found)
    own: dict[str, list[ShownComponent]] = {}
    for each in components:
        for tag in dict.fromkeys(map(_canonical, languages_of(each.manifest))):
            own.setdefault(tag, []).append(each)
    chosen = [normalise(each) for each in wanted] or sorted({*scores, *own})
    for tag in chosen:
        if tag not in scores and tag not in own:
            what = "there is no component for this language, and no score"
            raise DataError(what, where=tag, fix="see lect components")
    return [
        ShownLanguage(
            tag,
            tuple(sorted(own.get(tag, ()), key=lambda each: (each.manifest.role != "lang", each.manifest.key))),
            tuple(scores.get(tag, ())),
        )
        for tag in chosen
    ]


def components_of(library: Library) -> list[ShownComponent]:
    """The components of a library that can be read, those that an earlier folder hides left out."""
    return [read_component(each.folder) for each in library.all() if each.manifest is not None and not each.shadowed]


def components_of_registry(folder: Path) -> list[ShownComponent]:
    """The components that the registry in a folder offers, those that were withdrawn left out.

    Raises:
        RegistryError: there is no registry in the folder, or a component's files are not there.
    """
    found = []
    for entry in read_folder_registry(folder).components:
        if entry.yanked is None:
            place = folder / entry.place
            if not place.is_dir():
                raise RegistryError(f"lists {entry.reference}, whose files are not there", where=str(folder / FILE))
            found.append(read_component(place))
    return found


def matrix_scores(file: Path) -> dict[str, list[LanguageScore]]:
    """The scores of a matrix's report by language. Raises `DataError` where it is none."""
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        languages = {each["name"]: (_canonical(each["language"]), int(each["rows"])) for each in report["columns"]}
        parts = {(each["dataset"], each["first"], each["second"]): each for each in report["parts"]}
        found: dict[str, list[LanguageScore]] = {}
        for entry in report["entries"]:
            if entry["cell"] is not None:
                tag, rows = languages[entry["dataset"]]
                found.setdefault(tag, []).append(_score(entry, rows, parts))
        return found
    except OSError as error:
        raise DataError(f"cannot be read ({(error.strerror or str(error)).lower()})", where=str(file)) from None
    except (ValueError, KeyError, TypeError, IndexError, StopIteration):
        raise DataError("this is not the JSON of a matrix's report", where=str(file), fix=_FIX) from None


def _score(entry: Mapping[str, Any], rows: int, parts: Mapping[tuple[str, str, str], Any]) -> LanguageScore:
    report = entry["cell"]["report"]
    whole, *variants = report["variants"]
    main = next(score for score in whole["scores"] if score["name"] == report["main"])
    bare = next((each for each in variants if each["label"].startswith("without lang:")), None)
    without = next((each["value"] for each in bare["scores"] if each["name"] == report["main"]), None) if bare else None
    tested = parts.get((entry["dataset"], entry["name"], bare["label"])) if bare else None
    return LanguageScore(
        entry["dataset"],
        entry["stack"],
        report["main"],
        float(main["value"]),
        float(main["low"]),
        float(main["high"]),
        rows,
        main.get("direction", "higher"),
        without,
        None if tested is None else float(tested["adjusted"]),
    )


def _canonical(tag: str) -> str:
    return normalise(tag) if is_tag(tag) else tag
