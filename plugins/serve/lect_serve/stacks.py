"""Stacks as clients name them: parsed, read from the library or fetched for it, and known by their content."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lect import ComponentError, Host, Library, Stack, UserError, parse_stack, pull
from lect.serving import (
    Assembly,
    DigestedStack,
    Engine,
    Keys,
    KnownComponents,
    LibraryState,
    Reference,
    StoredComponent,
    assemblies,
    file_states,
    finder,
    gated_terms,
    is_automatic,
    must_generate,
    read_with_digests,
    use_of,
)
from lect_serve.refusals import InvalidError, RefusalError, UnknownError

LONGEST_STACK = 1000
MOST_COMPONENTS = 32
LONGEST_NAME = 100
_ABSENT = 10.0
"""Seconds for which a name that is nowhere is not looked for again in the registries."""
_MOST_KNOWN = 20_000
_TRIES, _PAUSE = 4, 0.02


@dataclass(frozen=True)
class Provenance:
    """Which component it was that answered.

    Args:
        digest: of its manifest, weights and tokenizer.
        weights: SHA-256 of its ``weights.safetensors``, as manifests and locks have it.
    """

    component: str
    version: str
    digest: str
    weights: str
    licence: str


@dataclass(frozen=True)
class KnownStack:
    """A stack whose content is known; its weights are not held.

    Args:
        text: in canonical form.
        keys: as the engine takes it.
        needed: every key that has to be attached for it.
        provenance: of its components, in order, and of those that they stand on.
        strengths: at which languages act, where it is not the full one, as their gates say.
        folders: of these, with the states of their files.
        listed: the library's state when the components were found.
    """

    text: str
    keys: Keys
    needed: tuple[str, ...]
    provenance: tuple[Provenance, ...]
    has_head: bool
    folders: Mapping[Path, Any]
    strengths: Mapping[str, float]
    listed: LibraryState


@dataclass(frozen=True)
class ReadStack:
    """A stack with what is to be attached for it, its weights in memory."""

    known: KnownStack
    assemblies: tuple[Assembly, ...]
    stored: tuple[StoredComponent, ...]
    stack: Stack


class Stacks:
    """What clients' stacks mean at the moment.

    Args:
        registries: where components that the library lacks are fetched from, by name or place.
    """

    def __init__(self, engine: Engine, host: Host, library: Library, registries: tuple[str, ...] = ()) -> None:
        self.host, self.library = host, library
        self._engine, self._registries = engine, registries
        self._known: OrderedDict[str, KnownStack] = OrderedDict()
        self._components = KnownComponents(library, host)
        self._absent: dict[str, float] = {}
        self._seen = set[str]()

    def known(self, text: str) -> KnownStack | None:
        """The stack of this text, where what its names stand for is as it was when it was read."""
        found = self._known.get(text)
        if found is None or any(file_states(folder) != state for folder, state in found.folders.items()):
            return None
        if found.listed != (listed := self.library.state()):
            # A name may mean another folder now: a newer version's, or none.
            stack, find = parse_served(text), finder(self.library, self.host)
            try:
                places = {find(atom) for atom in stack.atoms}
            except UserError:
                return None
            if not places <= found.folders.keys():
                return None
            found = self._known[text] = replace(found, listed=listed)
        self._known.move_to_end(text)
        return found

    def combined(self, text: str) -> KnownStack | None:
        """The stack of this text, where all its components were read before, if in other stacks; it takes about 1 ms.

        Raises:
            RefusalError: the stack is wrong.
        """
        listed = self.library.state()
        stack = parse_served(text)
        try:
            digested = self._components.stack(stack)
        except UserError:
            # Whoever reads it says why, or fetches what is not there.
            return None
        return None if digested is None else _known(digested, self._planned(text, digested), listed, self.host)

    def remember(self, text: str, known: KnownStack) -> set[str]:
        """Keep what a text stands for now; the keys that it stood for before, and does no more."""
        before = self._known.get(text)
        self._known[text] = known
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return set() if before is None else {*before.needed} - {*known.needed}

    def read(self, text: str) -> ReadStack:
        """Read a stack; slow, and for any thread.

        Raises:
            UnknownError: a component is neither in the library nor in a registry that is looked in.
            InvalidError: the stack is wrong, or not for this backbone.
        """
        stack = parse_served(text)
        # A component that is replaced is not there for a moment.
        tries = _TRIES if any(str(atom) in self._seen for atom in stack.atoms) else 1
        for _ in range(tries - 1):
            try:
                return self._read(text, stack)
            except RefusalError:
                time.sleep(_PAUSE)
        found = self._read(text, stack)
        if len(self._seen) > _MOST_KNOWN:
            self._seen.clear()
        self._seen.update(map(str, stack.atoms))
        return found

    def _read(self, text: str, stack: Stack) -> ReadStack:
        listed = self.library.state()
        self._fetch(stack)
        try:
            digested = read_with_digests(stack, self.library, self.host)
        except UserError as error:
            raise InvalidError(f'stack "{text}": {error.what}', fix=error.fix) from error
        planned = self._planned(text, digested)
        self._components.keep(digested, listed)
        return ReadStack(_known(digested, planned, listed, self.host), planned, digested.stored, stack)

    def _planned(self, text: str, digested: DigestedStack) -> tuple[Assembly, ...]:
        try:
            if must_generate(self.host, digested.stored) and not self._engine.backbone.generates:
                raise InvalidError(
                    "this stack generates texts, and the server loaded its backbone without the half that writes",
                    fix="start it with this stack named by --stack",
                )
            use = use_of(self.host, digested.stored)
            return assemblies(digested.stack, digested.stored, self._engine.backbone, self.host, use, digested.key)
        except UserError as error:
            raise InvalidError(f'stack "{text}": {error.what}', fix=error.fix) from error

    def look_again(self) -> None:
        """Look in the registries again for what was nowhere."""
        self._absent.clear()

    def _fetch(self, stack: Stack) -> None:
        """Fetch what is not in the library, or refuse it."""
        find = finder(self.library, self.host)
        for atom in stack.atoms:
            try:
                find(atom)
            except ComponentError as error:
                name, now = str(atom), time.monotonic()
                if not self._registries or now - self._absent.get(name, -_ABSENT) < _ABSENT:
                    raise UnknownError(error.what, fix=_without_command(error.fix)) from error
                try:
                    pull(name, registry=self._registries, library=self.library.folders[0])
                except UserError as problem:
                    if len(self._absent) > _MOST_KNOWN:
                        self._absent.clear()
                    self._absent[name] = now
                    raise UnknownError(f"{error.what}, nor can it be had from a registry: {problem.what}") from problem


def parse_served(text: str) -> Stack:
    """A stack as clients may name it: by roles and names, never by folders.

    Raises:
        InvalidError: it does not parse, is too long, or names a folder.
    """
    check_length(text)
    try:
        stack = parse_stack(text)
    except UserError as error:
        raise InvalidError(f"the stack cannot be read: {error.what}", fix=error.fix) from error
    if len(stack.atoms) > MOST_COMPONENTS:
        raise InvalidError(f"the stack names more than {MOST_COMPONENTS} components")
    if is_automatic(text):
        raise InvalidError(
            "lang:auto chooses a component for each text, and one stack for all is due here",
            fix="name the component itself",
        )
    for atom in stack.atoms:
        if not isinstance(atom, Reference):
            raise InvalidError("a stack names components by role and name here, not by folder")
        if len(atom.name) > LONGEST_NAME or atom.name.endswith("."):
            raise InvalidError("a component's name is too long, or ends with a dot")
    return stack


def check_length(text: str) -> None:
    """Refuse what is too long to be a stack. Raises `InvalidError`."""
    if len(text) > LONGEST_STACK:
        raise InvalidError(f"the stack is longer than {LONGEST_STACK:,} characters")


def every(planned: tuple[Assembly, ...]) -> Iterator[Assembly]:
    """Assemblies with those that they stand on, these first; one that several stand on comes once."""
    seen = set[str]()

    def beneath(assembly: Assembly) -> Iterator[Assembly]:
        for other in assembly.stands_on:
            yield from beneath(other)
        if assembly.key not in seen:
            seen.add(assembly.key)
            yield assembly

    for assembly in planned:
        yield from beneath(assembly)


def _known(digested: DigestedStack, planned: tuple[Assembly, ...], listed: LibraryState, host: Host) -> KnownStack:
    provenance: dict[Path, Provenance] = {}
    _, gated = gated_terms(digested.stack, digested.stored, use_of(host, digested.stored))

    def note(stored: StoredComponent) -> None:
        for member in stored.members.values():
            note(member)
        manifest = stored.manifest
        provenance.setdefault(
            stored.folder,
            Provenance(
                manifest.key,
                manifest.version,
                digested.digests[stored.folder],
                digested.weights[stored.folder],
                manifest.licence,
            ),
        )

    for stored in digested.stored:
        note(stored)
    return KnownStack(
        text=str(digested.stack),
        keys=tuple(assembly.key for assembly in planned),
        needed=tuple(assembly.key for assembly in every(planned)),
        provenance=tuple(provenance.values()),
        has_head=any(stored.manifest.head is not None for stored in digested.stored),
        folders=dict(digested.states),
        strengths={each.term: each.entry.strength for each in gated},
        listed=listed,
    )


def _without_command(fix: str | None) -> str | None:
    """What a client can do: not what whoever runs the server could."""
    meant = (fix or "").partition(" or try:")[0].partition(", or try:")[0]
    return meant if meant.startswith("did you mean") else None
