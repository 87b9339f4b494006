"""Exceptions that a user sees as one line, without a traceback."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Iterable, Sequence


class LectError(Exception):
    """The root of every exception that `lect` raises on purpose."""


class Interrupted(LectError):  # noqa: N818 - a stop on request is not an error
    """A run was stopped by the user, after a checkpoint was written.

    Args:
        step: steps taken.
        total: steps planned.
    """

    def __init__(self, step: int, total: int) -> None:
        self.step, self.total = step, total
        super().__init__(f"stopped at step {step} of {total}")


class UserError(LectError):
    """A mistake in what the user gave: printed as one line, exit code 1.

    Args:
        what: what is wrong, a clause without a full stop.
        where: the place, such as ``data.csv, line 7`` or ``recipe.toml, training.epochs``.
        fix: what to do about it, an imperative clause.
        also: further mistakes that were found with it. Each gets a line of its own where there is room for several;
            where there is not, the one line says how many there are.
    """

    def __init__(
        self, what: str, *, where: str | None = None, fix: str | None = None, also: Sequence[UserError] = ()
    ) -> None:
        self.what, self.where, self.fix = what, where, fix
        self.also = tuple(also)
        more = f" (and {len(also)} more {'mistake' if len(also) == 1 else 'mistakes'})" if also else ""
        super().__init__(_told(what + more, where, fix))

    @property
    def each(self) -> tuple[UserError, ...]:
        """This mistake and those that were found with it, single ones all."""
        alone = type(self)(self.what, where=self.where, fix=self.fix)
        return (alone, *(single for other in self.also for single in other.each))

    def at(self, kind: type[UserError], place: Callable[[str | None], str | None] = lambda where: where) -> UserError:
        """The same as an error of another class, and maybe at another place, with those that were found with it."""
        also = [other.at(kind, place) for other in self.also]
        return kind(self.what, where=place(self.where), fix=self.fix, also=also)


def together(mistakes: Sequence[UserError]) -> UserError:
    """The first of several mistakes, that says the others too."""
    first, *others = (single for mistake in mistakes for single in mistake.each)
    return type(first)(first.what, where=first.where, fix=first.fix, also=others)


def _told(what: str, where: str | None, fix: str | None) -> str:
    place = f"{where}: " if where else ""
    remedy = f"; {fix}" if fix else ""
    return one_line(f"{place}{what}{remedy}")


class DataError(UserError):
    """Input data that cannot be read as what it was said to be."""


class RecipeError(UserError):
    """A recipe whose fields are wrong."""


class ComponentError(UserError):
    """A component that is broken, foreign to the backbone, or not what its manifest says."""


class StackError(UserError):
    """A stack that cannot be composed."""


class BackboneError(UserError):
    """A backbone that cannot be found, read or adapted."""


class PluginError(UserError):
    """A plugin that was asked for and is broken, blocked or missing."""


class RegistryError(UserError):
    """A registry that cannot be read, or does not offer what was asked for."""


def one_line(text: str) -> str:
    """What is invisible, ends a line or steers a terminal is spelt out: names in files may come from anyone."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def name_invisible(text: str) -> str:
    """The text with what is invisible in it called by its name: ``PER<ZERO WIDTH SPACE>``."""
    return "".join(char if char.isprintable() else f"<{unicodedata.name(char, f'U+{ord(char):04X}')}>" for char in text)


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause that names the nearest valid spelling, else lists what is valid."""
    choices = sorted(known)
    close = difflib.get_close_matches(name, choices, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known: {', '.join(choices) or 'none'}"
