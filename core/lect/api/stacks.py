"""Stacks written in Python: `lang("jav") * 0.7 + task("sentiment")` is the stack ``0.7*lang:jav + task:sentiment``."""

from __future__ import annotations

from dataclasses import dataclass

from lect.composition.stack import Stack, Weighted, parse_stack
from lect.errors import StackError


@dataclass(frozen=True)
class Composition:
    """A stack, or a term of one, that operators compose; equal to others of the same canonical form.

    ``a + b`` lets b stand on a, ``0.7 * a`` scales what a changes, ``avg(a, b)`` and ``mix(…)`` put outputs side by
    side, and arithmetic on parameters is written as text: ``lect.stack("(lang:jav + lang:mad - lang:ind)")``.
    """

    text: str

    @property
    def stack(self) -> Stack:
        """The stack as the model composes it. Raises `StackError`."""
        return parse_stack(self.text)

    def __add__(self, other: Composition) -> Composition:
        return _composed(f"{self.text} + {_text(other)}")

    def __mul__(self, weight: float) -> Composition:
        if len(self.stack.parts) != 1:
            raise StackError(
                f'"{self.text}" is a stack of several components, and a weight is for one', fix="weigh each of them"
            )
        (term,) = self.stack.parts
        if isinstance(term, Weighted):
            return _composed(f"{_number(weight * term.weight)}*{term.part}")
        return _composed(f"{_number(weight)}*{self.text}")

    __rmul__ = __mul__

    def __str__(self) -> str:
        return self.text


def lang(name: str, version: str | None = None) -> Composition:
    """The component of a language; ``lang("auto")`` for the nearest one that there is.

    Raises:
        StackError: the name or the version is none.

    Example:
        >>> print(0.7 * lect.lang("jav", "^1") + lect.task("sentiment"))
        0.7*lang:jav@^1 + task:sentiment
    """
    return _reference("lang", name, version)


def task(name: str, version: str | None = None) -> Composition:
    """The component of a task. Raises `StackError`.

    Example:
        >>> print(lect.task("sentiment"))
        task:sentiment
    """
    return _reference("task", name, version)


def avg(*terms: Composition) -> Composition:
    """The mean of what several components change, from the same output below. Raises `StackError`.

    Example:
        >>> print(lect.avg(lect.lang("jav"), lect.lang("sun")) + lect.task("sentiment"))
        avg(lang:jav, lang:sun) + task:sentiment
    """
    return _composed(f"avg({', '.join(map(_text, terms))})")


def mix(*terms: Composition) -> Composition:
    """The sum of what several components change, with weights. Raises `StackError`.

    Example:
        >>> print(lect.mix(0.7 * lect.lang("jav"), 0.3 * lect.lang("sun")))
        mix(0.7*lang:jav, 0.3*lang:sun)
    """
    return _composed(f"mix({', '.join(map(_text, terms))})")


def stack(text: str | Composition | Stack) -> Composition:
    """A stack from its text. Raises `StackError` with the column where it is wrong.

    Example:
        >>> lect.stack("lang:jav+task:sentiment") == lect.lang("jav") + lect.task("sentiment")
        True
    """
    return _composed(str(text))


def _reference(role: str, name: str, version: str | None) -> Composition:
    return _composed(f"{role}:{name}" + (f"@{version}" if version else ""))


def _composed(text: str) -> Composition:
    return Composition(str(parse_stack(text)))


def _text(term: object) -> str:
    if isinstance(term, Composition):
        return term.text
    raise StackError(f"{term!r} is no component", fix='write lang("jav"), task("sentiment") or stack("…")')


def _number(weight: float) -> str:
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        raise StackError(f"{weight!r} is no weight", fix="multiply by a number")
    return format(weight, ".12g") if "e" not in format(weight, ".12g") else format(weight, ".12f").rstrip("0")
