"""Which components may stand in one stack, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from lect.composition.stack import Reference, parse_stack
from lect.errors import StackError

if TYPE_CHECKING:
    from lect.components.manifest import Manifest

Member = tuple[str, "Manifest"]
"""A component as the stack names it, and what its manifest says."""


def check_roles(members: Sequence[Member], backbone_fingerprint: str | None = None) -> None:
    """Refuse what cannot be composed.

    Args:
        members: the stack's parts in order.
        backbone_fingerprint: that of the loaded backbone, where it is known.

    Raises:
        StackError: the reason, and what would be right.
    """
    _check_references(members)
    _check_distinct(members)
    _check_order(members)
    _check_single(members, [bool(manifest.head) for _, manifest in members], "heads")
    _check_single(members, [manifest.own_tokenizer for _, manifest in members], "vocabularies")
    _check_backbones(members, backbone_fingerprint)


def _check_references(members: Sequence[Member]) -> None:
    for index, (reference, manifest) in enumerate(members):
        part = parse_stack(reference).parts[0]
        if isinstance(part, Reference) and part.role != manifest.role:
            right = f"{manifest.role}:{part.name}"
            _refuse(
                members,
                f'"{reference}" is a component of role "{manifest.role}"',
                f'move its folder to where "{right}" lies, and write "{_replaced(members, index, right)}"',
            )


def _check_distinct(members: Sequence[Member]) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for index, (reference, manifest) in enumerate(members):
        identity = (manifest.role, manifest.name, manifest.version)
        if identity in seen:
            again = "" if seen[identity] == reference else f' ("{seen[identity]}" and "{reference}")'
            _refuse(
                members,
                f"the component {manifest.role}:{manifest.name} {manifest.version} stands in it twice{again}",
                f'write "{_without(members, index)}"',
            )
        seen[identity] = reference


def _check_order(members: Sequence[Member]) -> None:
    task: str | None = None
    for reference, manifest in members:
        if manifest.role == "task":
            task = task or reference
        elif task is not None:
            ordered = sorted(members, key=lambda member: member[1].role == "task")
            _refuse(
                members,
                f'the language part "{reference}" stands after the task part "{task}", but a task builds on languages',
                f'write "{_written(ordered)}"',
            )


def _check_single(members: Sequence[Member], having: Sequence[bool], what: str) -> None:
    both = [index for index, has in enumerate(having) if has]
    if len(both) > 1:
        first, second = (members[index][0] for index in both[:2])
        choices = " or ".join(f'"{_without(members, index)}"' for index in both[1::-1])
        _refuse(members, f'it has two {what}, of "{first}" and of "{second}"', f"write {choices}")


def _check_backbones(members: Sequence[Member], fingerprint: str | None) -> None:
    if not members:
        return
    first, its = members[0]
    for reference, manifest in members[1:]:
        if not manifest.backbone.goes_with(its.backbone):
            _refuse(
                members,
                f'"{first}" was trained on backbone "{its.backbone.name}" ({its.backbone.fingerprint}), '
                f'but "{reference}" on "{manifest.backbone.name}" ({manifest.backbone.fingerprint})',
                "compose components of one backbone, or train one of them again",
            )
    if fingerprint is not None and its.backbone.fingerprint != fingerprint:
        _refuse(
            members,
            f'"{first}" was trained on backbone "{its.backbone.name}" ({its.backbone.fingerprint}), '
            f"not on the one that is loaded ({fingerprint})",
            f'load "{its.backbone.name}"',
        )


def _refuse(members: Sequence[Member], what: str, fix: str) -> NoReturn:
    raise StackError(what, where=f'stack "{_written(members)}"', fix=fix)


def _written(members: Sequence[Member]) -> str:
    return " + ".join(reference for reference, _ in members)


def _without(members: Sequence[Member], index: int) -> str:
    return _written([member for place, member in enumerate(members) if place != index])


def _replaced(members: Sequence[Member], index: int, reference: str) -> str:
    return " + ".join(reference if place == index else old for place, (old, _) in enumerate(members))
