"""Stacks as users write them, such as ``lang:jav + task:sentiment``; `docs/stacks.md` has the grammar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator

from lect.composition.grammar import parse_combination, parse_terms
from lect.composition.references import (
    ROLES,
    Atom,
    PathReference,
    Reference,
)
from lect.composition.terms import Combination, Merge, Mixture, StackTerm, Weighted, atoms_of
from lect.errors import StackError, UserError

__all__ = [
    "ROLES",
    "Atom",
    "Combination",
    "Merge",
    "Mixture",
    "PathReference",
    "Reference",
    "Stack",
    "StackTerm",
    "StackText",
    "Weighted",
    "atoms_of",
    "parse_combination",
    "parse_component",
    "parse_stack",
]


@dataclass(frozen=True)
class Stack:
    """An ordered composition of terms, the first one nearest to the backbone; empty for the bare backbone.

    A component with the weight 1 is another term than the component alone, which acts at the strength that its own
    gate says.
    """

    parts: tuple[StackTerm, ...] = ()

    def __post_init__(self) -> None:
        # Of what has no gate the weight 1 is not written, so that a stack has one form.
        bare = tuple(part.part if isinstance(part, Weighted) and _is_idle(part) else part for part in self.parts)
        object.__setattr__(self, "parts", bare)

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """Every single component that the stack names, in the order written."""
        return tuple(atom for part in self.parts for atom in atoms_of(part))

    def without(self, index: int) -> Stack:
        """The same stack less one term. Raises `IndexError`."""
        if not -len(self.parts) <= index < len(self.parts):
            raise IndexError(f"the stack has {len(self.parts)} parts; there is none at {index}")
        index %= len(self.parts)
        return Stack(self.parts[:index] + self.parts[index + 1 :])

    def __str__(self) -> str:
        return " + ".join(map(_text, self.parts))


def _is_idle(term: Weighted) -> bool:
    """Whether the weight says nothing: it is 1, and what it stands before has no gate."""
    may_have_gate = isinstance(term.part, PathReference) or (
        isinstance(term.part, Reference) and term.part.role == "lang"
    )
    return term.weight == 1 and not may_have_gate


def _text(term: StackTerm) -> str:
    return f"1*{term.part}" if isinstance(term, Weighted) and term.weight == 1 else str(term)


def parse_stack(text: str) -> Stack:
    """The stack that a text means; ``str`` of it is the text's canonical form.

    Raises:
        StackError: with the column and what was expected there.
    """
    return Stack(parse_terms(text))


def parse_component(text: str) -> Atom:
    """The one component that a text names.

    Raises:
        StackError: it does not parse, names several, or one with a weight or made of others.
    """
    parts = parse_stack(text).parts
    if len(parts) != 1 or isinstance(parts[0], Weighted | Merge | Mixture):
        raise StackError("this is not one component", where=f'"{text}"', fix="name one, such as lang:jav")
    return parts[0]


def check_stack(stack: str) -> str:
    """A stack that parses."""
    try:
        parse_stack(stack)
    except UserError as error:
        place = (error.where or "").removeprefix("stack, ")
        remedy = f"; {error.fix}" if error.fix else ""
        raise ValueError(f"should be a stack ({place}: {error.what}{remedy})") from None
    return stack


StackText = Annotated[str, AfterValidator(check_stack)]
