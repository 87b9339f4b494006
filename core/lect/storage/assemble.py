"""Attaches the components of a stack, read from disk, to a model; checks that they fit it and each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lect.composition.component import Component
from lect.composition.mixed import MixedPart
from lect.composition.model import RoutedModel
from lect.composition.stack import Atom, Merge, Mixture, Stack, StackTerm, Weighted, atoms_of
from lect.errors import ComponentError, StackError
from lect.literals import Use
from lect.specs import HeadSpec
from lect.storage.gates import gated_terms
from lect.storage.members import read_with_members
from lect.storage.merging import merge_components
from lect.storage.nesting import check_stack_terms
from lect.storage.restore import restore
from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host
    from lect.storage.library import Library


Named = Callable[[str, Sequence[StoredComponent]], str]
"""Gives the key under which a term is attached, of its text and the components that it is made of."""


@dataclass(frozen=True)
class Assembly:
    """How a term of a stack, or a component that another stands on, comes to be attached.

    Args:
        key: that it is attached under.
        stored: what was read from disk for it alone; nothing where it is made of what it stands on.
        stands_on: what is attached before it.
        make: makes the component of those that it stands on, in that order. Raises as `restore`.
    """

    key: str
    stored: tuple[StoredComponent, ...]
    stands_on: tuple[Assembly, ...]
    make: Callable[[Sequence[Component]], Component]


def read_stack(
    stack: Stack, library: Library, host: Host, find: Callable[[Atom], Path] | None = None
) -> list[StoredComponent]:
    """The components a stack names, read from disk, in its order: from the library, else where a plugin finds them.

    A term of several components, such as a merge, gives several; the members of a component are read with it.

    Args:
        find: gives a component's folder, in the place of `finder`.

    Raises:
        ComponentError: one is not there or broken.
        StackError: they cannot stand in this order or together.
    """
    stored = [read_with_members(atom, find or finder(library, host)) for atom in stack.atoms]
    check_stack_terms(stack, [component.manifest for component in stored])
    return stored


def attach_stack(
    model: RoutedModel, host: Host, stack: Stack, stored: Sequence[StoredComponent], use: Use | None = None
) -> tuple[str, ...]:
    """Attach the components that are not attached yet, and return the stack's keys, as `Routes` takes them.

    Args:
        use: what the stack is used for, by which gates say how strongly its language acts; None to let it act whole.

    Raises:
        ComponentError: a component belongs to another backbone, or its weights do not fit its manifest.
        StackError: a plugin vetoes the stack.
        PluginError: no plugin provides what a component needs.
    """
    planned = assemblies(stack, stored, model.backbone, host, use)
    return tuple(_attached(model, assembly).key for assembly in planned)


def attach_component(model: RoutedModel, host: Host, key: str, stored: StoredComponent) -> Component:
    """Attach a stored component and its members, unless they are attached. Raises as `restore`."""
    return _attached(model, _of_component(key, stored, model.backbone, host, _by_name))


def assemblies(
    stack: Stack,
    stored: Sequence[StoredComponent],
    backbone: Backbone,
    host: Host,
    use: Use | None = None,
    named: Named | None = None,
) -> tuple[Assembly, ...]:
    """What is to be attached for a stack, an assembly for each term that acts; nothing is made or attached yet.

    Args:
        stored: what `read_stack` gave.
        use: as `attach_stack` has it.
        named: gives other keys than the terms' own texts.

    Raises:
        StackError: a plugin vetoes the stack.
    """
    problems = host.check_composition(stack, backbone)
    if problems:
        problem, plugin = problems[0]
        raise StackError(f'{problem.what} (says plugin "{plugin.name}")', where=f'stack "{stack}"', fix=problem.fix)
    available = {str(atom): component for atom, component in zip(stack.atoms, stored, strict=True)}
    terms, _ = gated_terms(stack, stored, use)
    return tuple(_of_term(part, available, backbone, host, named or _by_name) for part in terms)


def must_generate(host: Host, stored: Sequence[StoredComponent], kind: str | None = None) -> bool:
    """Whether the backbone must be loaded with its decoder, for one of these components or a head of this kind."""
    if any(each.manifest.backbone.reads is not None for each in stored):
        # It was trained with the decoder loaded, and has parts in both halves.
        return True
    kinds = {each.manifest.head.kind for each in stored if each.manifest.head} | ({kind} if kind else set())
    return any(host.spec(HeadSpec, each).generates for each in kinds)


def finder(library: Library, host: Host) -> Callable[[Atom], Path]:
    """A function that finds a component's folder, in the library or through a plugin; it raises `ComponentError`."""

    def find(atom: Atom) -> Path:
        try:
            return library.find(atom)
        except ComponentError:
            resolved = host.resolve_component(str(atom))
            if resolved is None:
                raise
            return resolved

    return find


def _by_name(name: str, _stored: Sequence[StoredComponent]) -> str:
    return name


def _attached(model: RoutedModel, assembly: Assembly) -> Component:
    """The component of an assembly; it and those that it stands on are attached unless they are."""
    if assembly.key in model.components:
        return model.components[assembly.key]
    # Members are attached too, so that they move to a device and change their mode with the model.
    component = assembly.make([_attached(model, beneath) for beneath in assembly.stands_on])
    model.attach(component)
    return component


def _of_term(
    part: StackTerm, available: Mapping[str, StoredComponent], backbone: Backbone, host: Host, named: Named
) -> Assembly:
    stored = [available[str(atom)] for atom in atoms_of(part)]
    if isinstance(part, Weighted):
        beneath = _of_term(part.part, available, backbone, host, named)
        if part.weight == 1:
            return beneath
        key = named(str(part), stored)
        return Assembly(key, (), (beneath,), partial(weighted, key, part.weight))
    if isinstance(part, Mixture):
        key = named(str(part), stored)
        members = tuple(_of_term(member, available, backbone, host, named) for member in part.parts)
        return Assembly(key, (), members, partial(_mixed, key, part.coefficients))
    if isinstance(part, Merge):
        key = named(str(part), stored)

        def make(_: Sequence[Component]) -> Component:
            return restore(key, merge_components(part, stored, backbone, host), backbone, host)

        return Assembly(key, tuple(stored), (), make)
    return _of_component(str(part), stored[0], backbone, host, named)


def _of_component(name: str, stored: StoredComponent, backbone: Backbone, host: Host, named: Named) -> Assembly:
    key = named(name, [stored])
    members = tuple(_of_component(own, member, backbone, host, named) for own, member in stored.members.items())

    def make(components: Sequence[Component]) -> Component:
        return restore(key, stored, backbone, host, dict(zip(stored.members, components, strict=True)))

    return Assembly(key, (stored,), members, make)


def _mixed(key: str, coefficients: Sequence[float], members: Sequence[Component]) -> Component:
    return Component(key, members[0].role, {"mixed": MixedPart(members, coefficients)})


def weighted(key: str, weight: float, members: Sequence[Component]) -> Component:
    """A component at a strength: a row is cut by one tokenizer, so a vocabulary acts whole.

    Raises:
        StackError: a part takes the place of the table of tokens, which the vocabulary reads whole.
    """
    (member,) = members
    tokens = {name: part for name, part in member.parts.items() if part.tokenizer_json}
    others = {name: part for name, part in member.parts.items() if name not in tokens}
    looked_up = {site for part in tokens.values() for site in part.sites()}
    if any(part.replaces_module and looked_up & {*part.sites()} for part in others.values()):
        raise StackError(
            f'"{member.key}" has a vocabulary and another table of tokens, which no weight divides',
            where=f'stack "{key}"',
            fix="leave the weight out",
        )
    if not others:
        return Component(key, member.role, tokens)
    scaled = {name: part if name in tokens else part.scaled(weight) for name, part in member.parts.items()}
    whole = {name: part for name, part in scaled.items() if part is not None}
    sites = [site for part in others.values() for site in part.sites()]
    if len(whole) == len(scaled) and len(sites) == len(set(sites)):
        return Component(key, member.role, whole)
    mixed = MixedPart([Component(member.key, member.role, others)], [weight])
    return Component(key, member.role, {**tokens, "mixed": mixed})
