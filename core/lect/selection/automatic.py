"""`lang:auto` for each single text: its language is identified, and a component chosen for it, with the reason."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.composition.stack import Reference, Stack, Weighted, atoms_of, parse_stack
from lect.composition.terms import StackTerm
from lect.errors import ComponentError, DataError, StackError
from lect.languages.identify import Identification, Identifier, plain
from lect.languages.installed import InstalledIdentifier
from lect.languages.profiles import LanguageProfile, read_profiles
from lect.languages.relations import language_database
from lect.languages.tags import display_name, normalise
from lect.selection.donors import is_automatic, languages_of, put_for_auto, suggest
from lect.selection.known import KNOWN
from lect.specs import IdentifierSpec
from lect.storage.library import Library
from lect.storage.manifest import BackboneEntry, Manifest
from lect.storage.store import PROFILES, read_folder_manifest

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.heads import Prediction
    from lect.host import Host

AUTO = "lang:auto"
LEAST_PROBABILITY = 0.5
"""A text whose language is less certain is refused."""
LEAST_LIKENESS = 0.5
"""A component whose language is less near is no donor."""


@dataclass(frozen=True)
class Choice:
    """The stack of a text, and why it is that one.

    Args:
        stack: without ``lang:auto``.
        language: the text's, as a canonical tag.
        probability: of that language.
        component: what stands in the place of ``lang:auto``; None where nothing does.
        likeness: how near the component's language is, where it is another one: `Suggestion.score`.
        reason: in words.
        identified_by: ``profiles`` of components, or the name of an installed identifier; ``row`` where the row itself
            names its language.
    """

    stack: str
    language: str
    probability: float
    component: str | None
    likeness: float | None
    reason: str
    identified_by: str

    def record(self) -> dict[str, Any]:
        """What programs get beside a prediction."""
        found = {
            "tag": self.language,
            "probability": round(self.probability, 6),
            "component": self.component,
            "likeness": None if self.likeness is None else round(self.likeness, 6),
            "reason": self.reason,
            "identified_by": self.identified_by,
        }
        return {"language": found}

    def beside(self, prediction: Prediction) -> Prediction:
        """The prediction for the text, whose record says this, too."""
        return replace(prediction, record={**prediction.record, **self.record()})


class AutomaticStacks:
    """Puts a component in the place of ``lang:auto`` for each text; may be used from several threads.

    Args:
        library: where components are.
        host: whose plugins bring identifiers.
        backbone: only components that go with it are taken.
        least_probability, least_likeness: a text whose language is less certain, and a component whose language is less
            near, are refused.

    """

    def __init__(
        self,
        library: Library,
        host: Host,
        backbone: Backbone | None = None,
        *,
        least_probability: float = LEAST_PROBABILITY,
        least_likeness: float = LEAST_LIKENESS,
    ) -> None:
        self._library, self._host = library, host
        self._backbone = None if backbone is None else BackboneEntry.of(backbone)
        self._least_probability, self._least_likeness = least_probability, least_likeness
        self._installed = cache(partial(installed_identifier, host))
        self.refresh()

    def refresh(self) -> None:
        """Look anew which components there are; texts that are being chosen for are chosen for as it was."""
        self._looked = _Looked(Identifier(_profiles(self._library), self._installed))

    def prepare(self) -> None:
        """Load now what is else loaded when it is first needed, and takes seconds: for servers."""
        self.prepare_identifier()
        language_database()

    def prepare_identifier(self) -> None:
        """Load what languages are identified by, and not what donors are found by: a second of some."""
        self._looked.identifier.installed()

    def choose(self, stack: str, text: str, language: str | None = None) -> Choice:
        """The stack for a text.

        Args:
            stack: with ``lang:auto`` in it.
            language: of the text, where it is known.

        Raises:
            StackError: the language is not known for certain enough, or no component is near it.
            DataError: the language is none.
            ComponentError: a component of the stack is not there.
        """
        looked = self._looked
        found, tag = self._identified(looked, stack, text, language)
        key = (stack, tag)
        if key not in looked.places:
            try:
                place: _Place | StackError = self._found_place(stack, tag)
            except StackError as error:
                place = error
            if len(looked.places) >= _MOST_PLACES:
                looked.places.clear()
            looked.places[key] = place
        else:
            place = looked.places[key]
        return _choice(found, tag, place)

    def choose_at_once(self, stack: str, text: str, language: str | None = None) -> Choice | None:
        """The same, in less than a millisecond; None where the library has to be looked through for it. Raises too."""
        looked = self._looked
        found, tag = self._identified(looked, stack, text, language)
        place = looked.places.get((stack, tag))
        return None if place is None else _choice(found, tag, place)

    def _identified(self, looked: _Looked, stack: str, text: str, language: str | None) -> tuple[Identification, str]:
        """What is found of a text, and its language."""
        found = looked.identifier(text) if language is None else Identification(normalise(language), 1.0, "row")
        if found.language is None or found.probability < self._least_probability:
            raise StackError(
                f"the language of the text is not known for certain: {_doubt(found)}",
                where=f'stack "{stack}"',
                fix=_NAME_IT,
            )
        return found, found.language

    def _found_place(self, stack: str, language: str) -> _Place:
        from lect.storage.assemble import finder

        find = finder(self._library, self._host)
        others = [read_folder_manifest(find(atom)) for atom in parse_stack(stack).atoms if str(atom) != AUTO]
        backbones = [*([self._backbone] if self._backbone else []), *(other.backbone for other in others)]
        name = display_name(language)
        if own := self._own_component(language, backbones):
            return _Place(put_for_auto(stack, own), own, None, f"{own} is of {name}")
        if reason := _why_none(language, name, others, backbones):
            return _Place(rest_of(stack), None, None, reason)
        near = [each for each in suggest(language, self._library) if _goes_with(each.manifest, backbones)]
        # What is written in the same script alone is no relative.
        related = [each for each in near if {"family", "place"} & each.likeness.keys()]
        if related and related[0].score >= self._least_likeness:
            donor = related[0]
            reason = (
                f"no component is of {name}; {donor.key}, of {display_name(donor.language)}, is the nearest "
                f"({donor.score:.2f})"
            )
            return _Place(put_for_auto(stack, donor.key), donor.key, donor.score, reason)
        nearest = f" (the nearest is {near[0].key}, {near[0].score:.2f})" if near else ""
        raise StackError(
            f"the text is in {name} ({language}), and no component is of a language near it{nearest}",
            where=f'stack "{stack}"',
            fix="name a stack for it, or train a component: lect languages suggest shows what there is",
        )

    def _own_component(self, language: str, backbones: list[BackboneEntry]) -> str | None:
        """The first component of a language, by name."""
        for each in self._library.all():
            if each.role != "lang" or each.manifest is None or each.shadowed:
                continue
            is_of_it = any(plain(normalise(tag)) == plain(language) for tag in languages_of(each.manifest))
            if is_of_it and _goes_with(each.manifest, backbones):
                return each.key
        return None


def with_choices(predictions: Iterable[Prediction], choices: deque[Choice | None]) -> Iterator[Prediction]:
    """Predictions whose records say which component was taken for the text, where one was chosen.

    Args:
        choices: of the texts, each there before its prediction is; empty where none was chosen at all.
    """
    for prediction in predictions:
        choice = choices.popleft() if choices else None
        yield prediction if choice is None else choice.beside(prediction)


def with_auto(stack: str) -> str:
    """The stack with ``lang:auto`` in the place of its languages, or before all else where it has none."""
    if is_automatic(stack):
        return stack
    kept = [str(term) for term in parse_stack(stack).parts if not is_of_languages(term)]
    return " + ".join([AUTO, *kept])


def is_of_languages(term: StackTerm) -> bool:
    """Whether a term is made of language components alone."""
    return all(isinstance(atom, Reference) and atom.role == "lang" for atom in atoms_of(term))


def rest_of(stack: str) -> str:
    """What of a stack is the same for every text: all but ``lang:auto``.

    Raises:
        StackError: it is not a stack, or ``lang:auto`` stands inside of a term.
    """
    kept = []
    for term in parse_stack(stack).parts:
        if _is_auto(term):
            continue
        if any(str(atom) == AUTO for atom in atoms_of(term)):
            raise StackError(
                f"{AUTO} stands inside of {term}, and some languages need no component",
                where=f'stack "{stack}"',
                fix=f"let {AUTO} stand alone",
            )
        kept.append(term)
    return str(Stack(tuple(kept)))


def identifier_of(library: Library, host: Host) -> Identifier:
    """The identifier over the profiles of a library's components, and the one that is installed."""
    return Identifier(_profiles(library), partial(installed_identifier, host))


def installed_identifier(host: Host) -> InstalledIdentifier | None:
    """The identifier that a plugin brings, else `lect`'s own; None where there is none."""
    from lect.host.records import ESSENTIAL

    offered = sorted(host.specs(IdentifierSpec).values(), key=lambda each: each.plugin.name == ESSENTIAL)
    if not offered:
        return None
    with host.attributed(offered[0]) as spec:
        return spec.load()


@dataclass
class _Looked:
    """What was found of a library when it was looked at.

    Args:
        identifier: over the profiles of its components.
        places: by stacks and languages, what was found for them, or why nothing.
    """

    identifier: Identifier
    places: dict[tuple[str, str], _Place | StackError] = field(default_factory=dict)


_MOST_PLACES = 4096


def _choice(found: Identification, language: str, place: _Place | StackError) -> Choice:
    if isinstance(place, StackError):
        raise StackError(place.what, where=place.where, fix=place.fix)
    return Choice(place.stack, language, found.probability, place.component, place.likeness, place.reason, found.by)


@dataclass(frozen=True)
class _Place:
    """What stands in the place of ``lang:auto`` for a language."""

    stack: str
    component: str | None
    likeness: float | None
    reason: str


_NAME_IT = "name the language: --language, or language= in Python, or a language in each row"


def _profiles(library: Library) -> Iterable[LanguageProfile]:
    for listing in library.all():
        file = listing.folder / PROFILES
        if listing.manifest is None or listing.shadowed or not Path(file).is_file():
            continue
        try:
            yield from read_profiles(file)
        except ComponentError:
            # A component without a profile is found by its language all the same.
            continue


def _goes_with(manifest: Manifest, backbones: list[BackboneEntry]) -> bool:
    return all(manifest.backbone.goes_with(backbone) for backbone in backbones)


def _why_none(language: str, name: str, others: list[Manifest], backbones: list[BackboneEntry]) -> str:
    """Why a language needs no component; empty where it does."""
    for other in others:
        if any(plain(normalise(tag)) == plain(language) for tag in languages_of(other)):
            return f"no component is of {name}, and {other.key} was trained on it"
    for backbone in backbones:
        for known in KNOWN:
            if backbone.name in (known.id, known.local) and _is_among(language, known.languages):
                return f"no component is of {name}, and {backbone.name} was trained on it"
    return ""


def _is_among(language: str, tags: str) -> bool:
    return plain(language) in map(plain, tags.split())


def _is_auto(term: StackTerm) -> bool:
    part = term.part if isinstance(term, Weighted) else term
    return isinstance(part, Reference) and str(part) == AUTO


def _doubt(found: Identification) -> str:
    own = [(found.language, found.probability)] if found.language else []
    listed = [f"{_name(tag)} {probability:.2f}" for tag, probability in (*own, *found.others)[:3]]
    if found.language is None:
        return "it is none of those that are known" + (f" (the nearest: {', '.join(listed)})" if listed else "")
    return ", ".join(listed)


def _name(tag: str) -> str:
    try:
        return display_name(tag)
    except DataError:
        return tag
