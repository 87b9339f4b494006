"""Which components may stand in one stack, in one term of it, and under one fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from lect.composition.references import Reference
from lect.composition.stack import Merge, Mixture, Stack, StackTerm, Weighted, atoms_of, parse_stack
from lect.errors import StackError

if TYPE_CHECKING:
    from lect.storage.manifest import Manifest


@dataclass(frozen=True)
class Member:
    """A component as it is named, and what its manifest says."""

    text: str
    manifest: Manifest


def check_stack_terms(stack: Stack, manifests: Sequence[Manifest]) -> None:
    """Refuse what cannot be composed: terms on their own, then all of them in their order.

    Args:
        manifests: of every single component that the stack names, in the order written.

    Raises:
        StackError: the reason, and what would be right.
    """
    remaining = iter(zip(stack.atoms, manifests, strict=True))
    representatives: list[Member] = []
    members: list[Member] = []
    for part in stack.parts:
        own = [Member(str(atom), *next(remaining)[1:]) for atom in atoms_of(part)]
        _check_term(stack, part, own)
        members += own
        representatives.append(Member(str(part), own[0].manifest))
    if any(len(atoms_of(part)) > 1 for part in stack.parts):
        _check_distinct(stack, members)
    check_roles(representatives)


def check_roles(members: Sequence[Member], backbone_fingerprint: str | None = None) -> None:
    """Refuse what cannot be composed.

    Args:
        members: the stack's terms in order, each by its first component.
        backbone_fingerprint: that of the loaded backbone, where it is known.

    Raises:
        StackError: the reason, and what would be right.
    """
    _check_references(members)
    _check_terms_distinct(members)
    _check_order(members)
    _check_single(members, [bool(manifest.head) for manifest in (member.manifest for member in members)], "heads")
    _check_single(
        members, [manifest.own_tokenizer for manifest in (member.manifest for member in members)], "vocabularies"
    )
    _check_backbones(members, backbone_fingerprint)


def check_alike(members: Sequence[Member], what: str, where: str, *, one_method: bool) -> None:
    """Refuse components that cannot stand side by side.

    Args:
        what: what they are to be, such as ``a fusion``.
        one_method: whether their methods have to be the same ones.

    Raises:
        StackError: they differ in role, backbone or method, or one has a head or a vocabulary.
    """
    first = members[0]
    for member in members:
        manifest = member.manifest
        if manifest.head is not None:
            _refuse(
                f'"{member.text}" has a head, and {what} has no meaning for answers',
                where,
                "leave it out, or let it stand in the stack on its own",
            )
        if manifest.own_tokenizer:
            _refuse(
                f'"{member.text}" has a vocabulary, and {what} has no meaning for tokens: a row is cut by one '
                "tokenizer and looks each token up in one table",
                where,
                f'let "{member.text}" stand in the stack on its own',
            )
        if manifest.role != first.manifest.role:
            _refuse(
                f'"{first.text}" is of role "{first.manifest.role}" and "{member.text}" of role "{manifest.role}", '
                "and one builds on the other",
                where,
                f'write them in order: "{_in_order(first, member)}"',
            )
        own, other = manifest.backbone, first.manifest.backbone
        if not own.goes_with(other):
            _refuse(
                f'"{first.text}" was trained on backbone "{other.name}" ({other.fingerprint}), but "{member.text}" on '
                f'"{own.name}" ({own.fingerprint})',
                where,
                "name components of one backbone, or train one of them again",
            )
        if one_method and manifest.methods != first.manifest.methods:
            _refuse(
                f'"{first.text}" is made by {_methods(first)} and "{member.text}" by {_methods(member)}',
                where,
                "name components of one method, or put their outputs side by side: "
                f"mix({', '.join(each.text for each in members)})",
            )


def _check_term(stack: Stack, part: StackTerm, members: Sequence[Member]) -> None:
    where = f'stack "{stack}"'
    for atom, member in zip(atoms_of(part), members, strict=True):
        if isinstance(atom, Reference) and not isinstance(part, Reference) and atom.role != member.manifest.role:
            role = member.manifest.role
            _refuse(
                f'"{atom}" is a component of role "{role}"',
                where,
                f'move its folder to where "{role}:{atom.name}" lies',
            )
    if isinstance(part, Weighted):
        inner = part.part
        if len(members) > 1 or (part.weight != 1 and members[0].manifest.head is not None):
            check_alike(members, "a weight", where, one_method=False)
        if isinstance(inner, Merge | Mixture):
            _check_compound(inner, members, where)
    elif isinstance(part, Merge | Mixture):
        _check_compound(part, members, where)


def _check_compound(part: Merge | Mixture, members: Sequence[Member], where: str) -> None:
    if isinstance(part, Mixture):
        check_alike(members, "a mixture", where, one_method=False)
        given = iter(members)
        for inner in part.parts:
            own = [next(given) for _ in atoms_of(inner)]
            if isinstance(inner, Merge):
                check_merge(own, where)
        return
    check_merge(members, where)


def check_merge(members: Sequence[Member], where: str) -> None:
    """Refuse components whose parameters cannot be merged. Raises `StackError`."""
    check_alike(members, "arithmetic on parameters", where, one_method=True)
    for member in members:
        if member.manifest.members:
            _refuse(
                f'"{member.text}" is a fusion: its parameters are attention over components of its own, and are not '
                "the same thing in another fusion",
                where,
                f"mix outputs instead: mix({', '.join(each.text for each in members)})",
            )


def _check_distinct(stack: Stack, members: Sequence[Member]) -> None:
    seen = set()
    for member in members:
        identity = (member.manifest.role, member.manifest.name, member.manifest.version)
        if identity in seen:
            _refuse(
                f"the component {member.manifest.key} {member.manifest.version} stands in it twice",
                f'stack "{stack}"',
                "name it once, with one weight",
            )
        seen.add(identity)


def _methods(member: Member) -> str:
    return " and ".join(f'"{method}"' for method in member.manifest.methods) or "none"


def _in_order(first: Member, second: Member) -> str:
    ordered = sorted((first, second), key=lambda member: member.manifest.role == "task")
    return " + ".join(member.text for member in ordered)


def _refuse(what: str, where: str, fix: str) -> NoReturn:
    raise StackError(what, where=where, fix=fix)


# ------------------------------------------------------------------------------------------- the terms of a stack


def _check_references(members: Sequence[Member]) -> None:
    for index, member in enumerate(members):
        reference, manifest = member.text, member.manifest
        part = parse_stack(reference).parts[0]
        if isinstance(part, Reference) and part.role != manifest.role:
            right = f"{manifest.role}:{part.name}"
            _refuse_stack(
                members,
                f'"{reference}" is a component of role "{manifest.role}"',
                f'move its folder to where "{right}" lies, and write "{_replaced(members, index, right)}"',
            )


def _check_terms_distinct(members: Sequence[Member]) -> None:
    seen: dict[tuple[str, str, str], str] = {}
    for index, member in enumerate(members):
        reference, manifest = member.text, member.manifest
        identity = (manifest.role, manifest.name, manifest.version)
        if identity in seen:
            again = "" if seen[identity] == reference else f' ("{seen[identity]}" and "{reference}")'
            _refuse_stack(
                members,
                f"the component {manifest.role}:{manifest.name} {manifest.version} stands in it twice{again}",
                f'write "{_without(members, index)}"',
            )
        seen[identity] = reference


def _check_order(members: Sequence[Member]) -> None:
    task: str | None = None
    for reference, manifest in ((member.text, member.manifest) for member in members):
        if manifest.role == "task":
            task = task or reference
        elif task is not None:
            ordered = sorted(members, key=lambda member: member.manifest.role == "task")
            _refuse_stack(
                members,
                f'the language part "{reference}" stands after the task part "{task}", but a task builds on languages',
                f'write "{_written(ordered)}"',
            )


def _check_single(members: Sequence[Member], having: Sequence[bool], what: str) -> None:
    both = [index for index, has in enumerate(having) if has]
    if len(both) > 1:
        first, second = (members[index].text for index in both[:2])
        choices = " or ".join(f'"{_without(members, index)}"' for index in both[1::-1])
        _refuse_stack(members, f'it has two {what}, of "{first}" and of "{second}"', f"write {choices}")


def _check_backbones(members: Sequence[Member], fingerprint: str | None) -> None:
    if not members:
        return
    first, its = members[0].text, members[0].manifest
    for reference, manifest in ((member.text, member.manifest) for member in members[1:]):
        if not manifest.backbone.goes_with(its.backbone):
            _refuse_stack(
                members,
                f'"{first}" was trained on backbone "{its.backbone.name}" ({its.backbone.fingerprint}), '
                f'but "{reference}" on "{manifest.backbone.name}" ({manifest.backbone.fingerprint})',
                "compose components of one backbone, or train one of them again",
            )
    if fingerprint is not None and its.backbone.fingerprint != fingerprint:
        _refuse_stack(
            members,
            f'"{first}" was trained on backbone "{its.backbone.name}" ({its.backbone.fingerprint}), '
            f"not on the one that is loaded ({fingerprint})",
            f'load "{its.backbone.name}"',
        )


def _refuse_stack(members: Sequence[Member], what: str, fix: str) -> NoReturn:
    _refuse(what, f'stack "{_written(members)}"', fix)


def _written(members: Sequence[Member]) -> str:
    return " + ".join(member.text for member in members)


def _without(members: Sequence[Member], index: int) -> str:
    return _written([member for place, member in enumerate(members) if place != index])


def _replaced(members: Sequence[Member], index: int, reference: str) -> str:
    return " + ".join(
        reference if place == index else old for place, old in enumerate(member.text for member in members)
    )
