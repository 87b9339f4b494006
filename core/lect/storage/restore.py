"""Builds a stored component's modules with the plugins that provide them, and loads its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from lect.composition.component import Component
from lect.composition.finite import NotFiniteError
from lect.errors import ComponentError
from lect.exchange.tokenizer import check_tokenizer
from lect.parts import Part
from lect.specs import BuildContext, HeadSpec, MethodSpec
from lect.storage.allocation import bounded_allocation, values_in
from lect.storage.descent import cut_tensors, cut_tokenizer
from lect.storage.store import TOKENIZER, StoredComponent, check_backbone

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.heads import Head
    from lect.host import Host


def restore(
    key: str,
    stored: StoredComponent,
    backbone: Backbone,
    host: Host,
    members: Mapping[str, Component] | None = None,
) -> Component:
    """A stored component as modules with its saved weights.

    Args:
        members: the components that it is made of, by the names its manifest has for them.

    Raises:
        ComponentError: it belongs to another backbone, or its weights do not fit its manifest.
    """
    manifest = stored.manifest
    backbone = _read_alone(backbone, manifest.backbone.fingerprint)
    parent = backbone.parent(manifest.backbone.fingerprint)
    if parent is None:
        check_backbone(manifest, backbone.fingerprint, where=str(stored.folder))
    if stored.tokenizer_json is not None:
        check_tokenizer(stored.tokenizer_json, backbone, str(stored.folder / TOKENIZER))
    if parent is not None:
        stored = cut_tokenizer(stored, backbone, parent)
    context = BuildContext(backbone, tokenizer_json=stored.tokenizer_json, members=members or {})
    # Building draws random numbers, which the saved weights replace: the state of the run's generator is kept.
    with torch.random.fork_rng(devices=[]):
        where, values, parts = str(stored.folder / "component.toml"), values_in(stored.tensors), {}
        for index, part in enumerate(manifest.parts):
            place = f"{where}, parts[{index}]"
            with bounded_allocation(values, backbone, place):
                parts[part.method] = build_part(host, part.method, part.config, context, place)
        head = None
        if (entry := manifest.head) is not None:
            place = f"{where}, head"
            with bounded_allocation(values, backbone, place):
                head = build_head(host, entry.kind, entry.config, backbone, entry.labels, place)
    component = Component(key, manifest.role, parts, head)
    tensors = stored.tensors
    if parent is not None:
        tensors = cut_tensors(tensors, component.tensor_references(), backbone, parent)
    try:
        component.load_tensors(tensors)
    except NotFiniteError as error:
        raise ComponentError(
            f"{error.what}: its training went astray",
            where=str(stored.folder),
            fix="train it again, with a lower learning rate or in float32",
        ) from error
    except (KeyError, ValueError) as error:
        raise ComponentError(
            f"its weights are not what its manifest says: {error.args[0]}",
            where=str(stored.folder),
            fix="fetch or train it again",
        ) from error
    return component


def build_part(host: Host, method: str, config: Mapping[str, Any], context: BuildContext, where: str) -> Part:
    """Check a method's configuration and build its part.

    Raises:
        PluginError: no plugin provides the method.
        RecipeError: the configuration is wrong.
    """
    configured = host.configured(MethodSpec, method, config, where)
    with host.attributed(configured) as spec:
        return spec.build(configured.config, context)


def build_head(
    host: Host, kind: str, config: Mapping[str, Any], backbone: Backbone, labels: Sequence[str], where: str
) -> Head:
    """Check a head's configuration and build it. Raises as `build_part`."""
    configured = host.configured(HeadSpec, kind, config, where)
    with host.attributed(configured) as spec:
        return spec.build(configured.config, backbone, labels)


def _read_alone(backbone: Backbone, fingerprint: str) -> Backbone:
    """The encoder alone, where the component was trained without the decoder."""
    if backbone.decoder is None or fingerprint == backbone.fingerprint or fingerprint != backbone.reading.fingerprint:
        return backbone
    return backbone.reading
