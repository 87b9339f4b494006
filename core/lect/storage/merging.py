"""One component of several, by arithmetic on their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from lect.composition.component import Component
from lect.composition.stack import Merge
from lect.errors import PluginError, StackError, nearest
from lect.parts import Part
from lect.specs import BuildContext, MergedPart, MergeSpec, Merging, MethodSpec
from lect.storage.manifest import Manifest, PartEntry
from lect.storage.restore import build_part, restore
from lect.storage.store import StoredComponent

if TYPE_CHECKING:
    from lect.backbones import Backbone
    from lect.host import Host


def merge_components(
    merge: Merge, members: Sequence[StoredComponent], backbone: Backbone, host: Host
) -> StoredComponent:
    """The component that a merge makes, as if it had been read; its manifest has a name to be replaced.

    Args:
        members: the components that the merge names, in its order; `lect.storage.nesting.check_merge` has passed.

    Raises:
        StackError: the components' configurations differ, or their method cannot be merged.
        PluginError: no plugin provides the merge or a method.
        RecipeError: an option is wrong.
    """
    where = f'"{merge}"'
    merging = _merging(merge, host)
    components = [restore(str(atom), member, backbone, host) for atom, member in zip(merge.atoms, members, strict=True)]
    merged: list[MergedPart] = []
    for index, entry in enumerate(members[0].manifest.parts):
        configured = [
            (member.manifest.parts[index].config, component.parts[entry.method])
            for member, component in zip(members, components, strict=True)
        ]
        try:
            merged.append(_merge_part(host, entry.method, configured, merge, merging, BuildContext(backbone)))
        except StackError as error:
            raise error if error.where else StackError(error.what, where=where, fix=error.fix) from None
    methods = [part.method for part in merged]
    if len(set(methods)) < len(methods):
        raise StackError(
            f"the merge would make two parts of the method {max(methods, key=methods.count)} of their parts",
            where=where,
            fix=f"mix outputs instead: mix({', '.join(map(str, merge.atoms))})",
        )
    first = members[0].manifest
    manifest = Manifest(
        name="merged",
        role=first.role,
        languages=tuple(dict.fromkeys(tag for member in members for tag in member.manifest.languages)),
        backbone=first.backbone,
        parts=tuple(PartEntry(method=part.method, config=dict(part.config)) for part in merged),
    )
    tensors = Component(str(merge), first.role, {part.method: part.part for part in merged}).tensors()
    return StoredComponent(manifest, tensors, None, members[0].folder)


def _merging(merge: Merge, host: Host) -> Merging:
    try:
        configured = host.configured(MergeSpec, merge.method, dict(merge.options), f"stack, {merge.method}")
    except PluginError as error:
        if host.claims(MergeSpec, merge.method) or error.fix is None or "pip install" in error.fix:
            raise
        known = {*host.specs(MergeSpec), "avg", "mix", "fuse"}
        raise PluginError(error.what, where=f'"{merge}"', fix=nearest(merge.method, known)) from None

    def combine(name: str, tensors: Sequence[Tensor]) -> Tensor:
        with host.attributed(configured) as spec:
            return spec.merge(configured.config, name, tensors, merge.weights)

    return Merging(merge.weights, configured.spec.is_linear, combine)


def _merge_part(
    host: Host,
    method: str,
    configured: Sequence[tuple[Mapping[str, Any], Part]],
    merge: Merge,
    merging: Merging,
    context: BuildContext,
) -> MergedPart:
    where = f'"{merge}", method "{method}"'
    provided = host.provided(MethodSpec, method)
    checked = [host.configured(MethodSpec, method, config, where).config for config, _ in configured]
    if provided.spec.merge is not None:
        named = replace(merging, combine=lambda name, tensors: merging.combine(f"{method}.{name}", tensors))
        with host.attributed(provided) as spec:
            assert spec.merge is not None
            return spec.merge(list(zip(checked, (part for _, part in configured), strict=True)), named, context)
    checked_configs = [config.model_dump() for config in checked]
    names = list(map(str, merge.atoms))
    for name, config in zip(names, checked_configs, strict=True):
        differing = [field for field in config if config[field] != checked_configs[0].get(field)]
        if differing:
            field = differing[0]
            raise StackError(
                f'"{names[0]}" has {field} = {checked_configs[0].get(field)!r} and "{name}" {config[field]!r}, and '
                "parameters of other places or sizes cannot be added",
                fix=f"train one of them again, or mix outputs instead: mix({', '.join(names)})",
            )
    shared = configured[0][0]
    part = build_part(host, method, shared, context, where)
    _merge_parameters(part, [part for _, part in configured], partial(_combined, method, merging), names)
    return MergedPart(method, shared, part)


def _combined(method: str, merging: Merging, name: str, origin: Tensor | None, tensors: Sequence[Tensor]) -> Tensor:
    if origin is None:
        return merging.combine(f"{method}.{name}", tensors)
    return origin + merging.combine(f"{method}.{name}", [tensor - origin for tensor in tensors])


def _merge_parameters(target: Part, parts: Sequence[Part], combine: Any, names: Sequence[str]) -> None:
    """Give the target what the parts' parameters are together; what is never trained must be the same in all."""
    import torch

    tables = [dict((*part.named_parameters(), *part.named_buffers())) for part in parts]
    origin = parts[0].origin()
    with torch.no_grad():
        for name, tensor in (*target.named_parameters(), *target.named_buffers()):
            given = [table[name].detach() for table in tables]
            shapes = {tuple(each.shape) for each in given}
            if len(shapes) > 1:
                raise StackError(
                    f'"{name}" has the shapes {" and ".join(map(str, sorted(shapes)))}, which cannot be added',
                    fix=f"mix outputs instead: mix({', '.join(names)})",
                )
            if isinstance(tensor, nn.Parameter) and tensor.is_floating_point():
                tensor.copy_(combine(name, origin.get(name), given))
                continue
            if not all(torch.equal(each, given[0]) for each in given[1:]):
                raise StackError(
                    f'"{name}", which is never trained, differs between the components: they started apart, and what '
                    "they learned cannot be added",
                    fix=f"train them from one seed, or mix outputs instead: mix({', '.join(names)})",
                )
            tensor.copy_(given[0])
