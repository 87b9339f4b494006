"""Attaches the components of a stack, read from disk, to a model; checks that they fit it and each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lect.composition.component import Component
from lect.composition.mixed import MixedPart
from lect.composition.model import RoutedModel
from lect.composition.stack import Atom, Merge, Mixture, Stack, StackTerm, Weighted
from lect.errors import ComponentError, StackError
from lect.specs import HeadSpec
from lect.storage.members import read_with_members
from lect.storage.merging import merge_components
from lect.storage.nesting import check_stack_terms
from lect.storage.restore import restore
from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.host import Host
    from lect.storage.library import Library


def read_stack(stack: Stack, library: Library, host: Host) -> list[StoredComponent]:
    """The components a stack names, read from disk, in its order: from the library, else where a plugin finds them.

    A term of several components, such as a merge, gives several; the members of a component are read with it.

    Raises:
        ComponentError: one is not there or broken.
        StackError: they cannot stand in this order or together.
    """
    stored = [read_with_members(atom, finder(library, host)) for atom in stack.atoms]
    check_stack_terms(stack, [component.manifest for component in stored])
    return stored


def attach_stack(model: RoutedModel, host: Host, stack: Stack, stored: Sequence[StoredComponent]) -> tuple[str, ...]:
    """Attach the components that are not attached yet, and return the stack's keys, as `Routes` takes them.

    Raises:
        ComponentError: a component belongs to another backbone, or its weights do not fit its manifest.
        StackError: a plugin vetoes the stack.
        PluginError: no plugin provides what a component needs.
    """
    problems = host.check_composition(stack, model.backbone)
    if problems:
        problem, plugin = problems[0]
        raise StackError(f'{problem.what} (says plugin "{plugin.name}")', where=f'stack "{stack}"', fix=problem.fix)
    available = {str(atom): component for atom, component in zip(stack.atoms, stored, strict=True)}
    return tuple(_attach(model, host, part, available).key for part in stack.parts)


def attach_component(model: RoutedModel, host: Host, key: str, stored: StoredComponent) -> Component:
    """Attach a stored component and its members, unless they are attached. Raises as `restore`."""
    if key in model.components:
        return model.components[key]
    # Members are attached too, so that they move to a device and change their mode with the model.
    members = {name: attach_component(model, host, name, member) for name, member in stored.members.items()}
    component = restore(key, stored, model.backbone, host, members)
    model.attach(component)
    return component


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


def _attach(model: RoutedModel, host: Host, part: StackTerm, available: Mapping[str, StoredComponent]) -> Component:
    """The component that a term stands for; it and its members are attached unless they are."""
    key = str(part)
    if key in model.components:
        return model.components[key]
    if isinstance(part, Weighted | Mixture):
        parts = (part.part,) if isinstance(part, Weighted) else part.parts
        coefficients = (part.weight,) if isinstance(part, Weighted) else part.coefficients
        members = [_attach(model, host, member, available) for member in parts]
        component = Component(key, members[0].role, {"mixed": MixedPart(members, coefficients)})
    elif isinstance(part, Merge):
        merged = merge_components(part, [available[str(atom)] for atom in part.atoms], model.backbone, host)
        component = restore(key, merged, model.backbone, host)
    else:
        return attach_component(model, host, key, available[key])
    model.attach(component)
    return component
