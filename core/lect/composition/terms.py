"""What a stack may hold beside single components: weights, mixtures of outputs, merges of parameters.

`docs/stacks.md` has their grammar and their meaning as formulas.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from lect.composition.references import Atom, Reference
from lect.errors import StackError

LINEAR = "linear"
"""The merge that arithmetic in parentheses means."""

MixtureKind = Literal["avg", "mix"]
MIXTURES: tuple[str, ...] = get_args(MixtureKind)
FUNCTION_PATTERN = r"[A-Za-z_][A-Za-z0-9_]*"
NUMBER_PATTERN = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


@dataclass(frozen=True)
class Weighted:
    """A part of a stack and a factor for it, such as ``0.7*lang:jav``; what the factor scales, the place says.

    Args:
        weight: any finite number.
    """

    weight: float
    part: Atom | Merge | Mixture

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise StackError(f"the weight {self.weight} is no finite number", fix="write one such as 0.7")
        # There is one zero, and it has no sign.
        object.__setattr__(self, "weight", float(self.weight) + 0.0)

    def __str__(self) -> str:
        return str(self.part) if self.weight == 1 else f"{number_text(self.weight)}*{self.part}"


@dataclass(frozen=True)
class Merge:
    """Arithmetic on the parameters of several components, which makes one component of them.

    Args:
        method: the name of a registered merge.
        options: those of the merge, as written.
    """

    method: str
    members: tuple[Weighted, ...]
    options: tuple[tuple[str, int | float | str], ...] = ()

    def __post_init__(self) -> None:
        if self.method in MIXTURES or not re.fullmatch(FUNCTION_PATTERN, self.method):
            raise StackError(f'"{self.method}" cannot be a merge\'s name')
        if not self.members:
            raise StackError(f'"{self.method}" has nothing to merge', fix="name the components")
        for member in self.members:
            if isinstance(member.part, Merge | Mixture):
                raise StackError(
                    f'"{member.part}" cannot stand inside a merge, which is of single components',
                    fix="write it as a component first, with lect components combine",
                )
        names = [name for name, _ in self.options]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise StackError(f'the option "{twice}" is given twice')
        for name, value in self.options:
            is_text = isinstance(value, str) and re.fullmatch(FUNCTION_PATTERN, value)
            is_number = isinstance(value, int | float) and math.isfinite(value)
            if not re.fullmatch(FUNCTION_PATTERN, name) or not (is_text or is_number):
                raise StackError(f'the option "{name}" is no finite number and no word')

    @property
    def atoms(self) -> tuple[Atom, ...]:
        """The components."""
        return tuple(member.part for member in self.members if not isinstance(member.part, Merge | Mixture))

    @property
    def weights(self) -> tuple[float, ...]:
        """The components' factors."""
        return tuple(member.weight for member in self.members)

    @property
    def formula(self) -> str:
        """The merge as the right side of a combination has it, without parentheses round a sum."""
        if self.method != LINEAR or self.options:
            options = [f"{name}={_option_text(value)}" for name, value in self.options]
            return f"{self.method}({', '.join([*map(str, self.members), *options])})"
        first, *others = self.members
        text = f"-{Weighted(1, first.part)}" if first.weight == -1 else str(first)
        for member in others:
            sign = "-" if member.weight < 0 else "+"
            text += f" {sign} {Weighted(abs(member.weight), member.part)}"
        return text

    def __str__(self) -> str:
        return f"({self.formula})" if self.method == LINEAR and not self.options else self.formula


@dataclass(frozen=True)
class Mixture:
    """The outputs of several components side by side: their mean (``avg``) or a weighted sum (``mix``)."""

    kind: MixtureKind
    members: tuple[Weighted, ...]

    def __post_init__(self) -> None:
        if self.kind not in MIXTURES:
            raise StackError(f'there is no mixture "{self.kind}"', fix=f"write one of: {', '.join(MIXTURES)}")
        if not self.members:
            raise StackError(f'"{self.kind}" has nothing to mix', fix="name the components")
        for member in self.members:
            if isinstance(member.part, Mixture):
                raise StackError(
                    f'"{member.part}" cannot stand inside "{self.kind}"', fix="write its parts out, with their weights"
                )
        if self.kind == "avg" and not _is_normal(sum(member.weight for member in self.members)):
            raise StackError(
                'the weights of "avg" add up to 0, and a mean divides by their sum', fix='use "mix" for a plain sum'
            )

    @property
    def coefficients(self) -> tuple[float, ...]:
        """What each member's change is multiplied by: for ``mix`` its weight, for ``avg`` its share of the sum."""
        total = sum(member.weight for member in self.members) if self.kind == "avg" else 1.0
        return tuple(member.weight / total for member in self.members)

    @property
    def parts(self) -> tuple[Atom | Merge, ...]:
        """The members without their weights."""
        return tuple(member.part for member in self.members if not isinstance(member.part, Mixture))

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(map(str, self.members))})"


StackTerm: TypeAlias = Atom | Weighted | Mixture | Merge
"""One term of a stack."""


@dataclass(frozen=True)
class Combination:
    """A component to be made of others: ``lang:ban = lang:jav + lang:mad - lang:ind``."""

    target: Reference
    merge: Merge

    def __str__(self) -> str:
        return f"{self.target} = {self.merge.formula}"


def atoms_of(part: StackTerm) -> tuple[Atom, ...]:
    """The single components that a term names, in order."""
    if isinstance(part, Weighted):
        return atoms_of(part.part)
    if isinstance(part, Merge):
        return part.atoms
    if isinstance(part, Mixture):
        return tuple(atom for member in part.parts for atom in atoms_of(member))
    return (part,)


def number_text(number: float) -> str:
    """The shortest text that reads back as this number."""
    return repr(float(number)).removesuffix(".0")


def _option_text(value: int | float | str) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def _is_normal(number: float) -> bool:
    return math.isfinite(number) and abs(number) > 1e-9
