"""Stored components as modules on a backbone, checked against it and against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from lect.components.store import StoredComponent, check_backbone, read_component
from lect.composition.component import Component
from lect.composition.model import RoutedModel
from lect.composition.part import Part
from lect.composition.roles import check_roles
from lect.composition.stack import Stack, StackPart
from lect.errors import ComponentError, StackError
from lect.specs import BuildContext

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.components.library import Library
    from lect.heads import Head
    from lect.host import Host


def read_stack(stack: Stack, library: Library, host: Host) -> list[StoredComponent]:
    """The components a stack names, read from disk, in its order: from the library, else where a plugin finds them.

    Raises:
        ComponentError: one is not there or broken.
        StackError: they cannot stand in this order or together.
    """
    stored = [read_component(_find(part, library, host)) for part in stack.parts]
    check_roles([(str(part), component.manifest) for part, component in zip(stack.parts, stored, strict=True)])
    return stored


def attach_stack(model: RoutedModel, host: Host, stack: Stack, stored: Sequence[StoredComponent]) -> tuple[str, ...]:
    """Attach what is not attached yet; returns the stack's keys, as routes take them.

    Raises:
        ComponentError: a component belongs to another backbone, or its weights do not fit its manifest.
        StackError: a plugin vetoes the stack.
        PluginError: no plugin provides what a component needs.
    """
    problems = host.check_composition(stack, model.backbone)
    if problems:
        problem, plugin = problems[0]
        raise StackError(f'{problem.what} (says plugin "{plugin.name}")', where=f'stack "{stack}"', fix=problem.fix)
    keys = []
    for part, component in zip(stack.parts, stored, strict=True):
        key = str(part)
        if key not in model.components:
            model.attach(restore(key, component, model.backbone, host))
        keys.append(key)
    return tuple(keys)


def restore(key: str, stored: StoredComponent, backbone: Backbone, host: Host) -> Component:
    """A stored component as modules with its saved weights.

    Raises:
        ComponentError: it belongs to another backbone, or its weights do not fit its manifest.
    """
    manifest = stored.manifest
    check_backbone(manifest, backbone.fingerprint, where=str(stored.folder))
    context = BuildContext(backbone, tokenizer_json=stored.tokenizer_json)
    # Building draws random numbers that the saved weights then replace: a run's own sequence must not notice.
    with torch.random.fork_rng(devices=[]):
        where = str(stored.folder / "component.toml")
        parts = {
            part.method: build_part(host, part.method, part.config, context, f"{where}, parts[{index}]")
            for index, part in enumerate(manifest.parts)
        }
        head = None
        if manifest.head is not None:
            head = build_head(
                host, manifest.head.kind, manifest.head.config, backbone, manifest.head.labels, f"{where}, head"
            )
    component = Component(key, manifest.role, parts, head)
    try:
        component.load_tensors(stored.tensors)
    except (KeyError, ValueError) as error:
        raise ComponentError(
            f"its weights are not what its manifest says: {error.args[0]}",
            where=str(stored.folder),
            fix="fetch or train it again",
        ) from error
    return component


def _find(part: StackPart, library: Library, host: Host) -> Path:
    try:
        return library.find(part)
    except ComponentError:
        resolved = host.resolve_component(str(part))
        if resolved is None:
            raise
        return resolved


def build_part(host: Host, method: str, config: Mapping[str, Any], context: BuildContext, where: str) -> Part:
    """A method's part, its configuration checked.

    Raises:
        PluginError: no plugin provides the method.
        RecipeError: the configuration is wrong.
    """
    checked = host.validate_config("method", method, config, where)
    with host.attributed(host.provided("method", method)) as spec:
        return spec.build(checked, context)


def build_head(
    host: Host, kind: str, config: Mapping[str, Any], backbone: Backbone, labels: Sequence[str], where: str
) -> Head:
    """A head, its configuration checked. Raises as `build_part`."""
    checked = host.validate_config("head", kind, config, where)
    with host.attributed(host.provided("head", kind)) as spec:
        return spec.build(checked, backbone, labels)
