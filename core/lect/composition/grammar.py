"""Reads stacks and combinations from left to right; `docs/stacks.md` is the grammar's home."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import NoReturn, TypeVar

from lect.composition.references import BARE_PATH, PATH_STARTS, ROLES, Atom, PathReference, Reference, is_one_line
from lect.composition.terms import (
    FUNCTION_PATTERN,
    LINEAR,
    MIXTURES,
    NUMBER_PATTERN,
    Combination,
    Merge,
    Mixture,
    StackTerm,
    Weighted,
)
from lect.errors import StackError
from lect.fields import NAME_PATTERN, NAME_RULE
from lect.versions import RANGE_PATTERN, RANGE_RULE, is_range

Made = TypeVar("Made")


def parse_terms(text: str) -> tuple[StackTerm, ...]:
    """The terms of a stack. Raises `StackError` with the column and what was expected there."""
    return _Scanner(text, "stack").terms()


def parse_combination(text: str) -> Combination:
    """The component to make and what it is made of, of ``lang:ban = lang:jav + lang:mad - lang:ind``.

    Raises:
        StackError: with the column and what was expected there.
    """
    return _Scanner(text, "combination").combination()


_QUOTED_PATH = re.compile(r'"((?:[^"\\]|\\[\\"]|\\(?![\\"]))*)"')
_SPACE = re.compile(r"\s*")
_NAME = re.compile(NAME_PATTERN)
_NUMBER = re.compile(NUMBER_PATTERN)
_FUNCTION = re.compile(rf"({FUNCTION_PATTERN})\s*\(")
_OPTION = re.compile(rf"({FUNCTION_PATTERN})\s*=\s*")
_OPTION_WORD = re.compile(FUNCTION_PATTERN)
_RANGE = re.compile(RANGE_PATTERN)
_WORD = re.compile(r'[^\s+*(),="]+')
_A_PART = "a part such as lang:jav, task:topic or ./folder"
_TOP, _SUM, _LIST, _TARGET = "+", "+)", ",)", "="
_EXPECTED = {_TOP: '"+" or the end', _SUM: '"+", "-" or ")"', _LIST: '"," or ")"', _TARGET: '"="'}


class _Scanner:
    """A text and how far it has been read.

    Args:
        what: what the text is called in messages.
    """

    def __init__(self, text: str, what: str) -> None:
        self._text, self._what, self._at = text, what, 0
        # What may follow a part, where it is being read.
        self._followers = _TOP

    # --------------------------------------------------------------------------------------------- the whole text

    def terms(self) -> tuple[StackTerm, ...]:
        self._skip_space()
        if self._ended():
            return ()
        parts = [self._term()]
        while True:
            self._skip_space()
            if self._ended():
                return tuple(parts)
            if self._text[self._at] != "+":
                fix = {
                    "-": 'arithmetic on parameters stands in parentheses, as in "(lang:jav - lang:ind)"',
                    "=": "a combination is written with lect components combine",
                }.get(self._text[self._at])
                self._fail(f'expected "+" after {_quoted(str(parts[-1]))}, found {self._found()}', fix=fix)
            self._at += 1
            self._skip_space()
            parts.append(self._term())

    def combination(self) -> Combination:
        self._skip_space()
        self._followers = _TARGET
        start = self._at
        target = self._atom()
        if not isinstance(target, Reference):
            self._at = start
            self._fail("a path cannot be the result", fix="name it by role and name, such as lang:ban")
        if target.version is not None and not target.is_exact:
            self._at = start
            self._fail("a range of versions cannot be the result", fix="write one version, or none")
        self._skip_space()
        if self._ended() or self._text[self._at] != "=":
            self._fail(f'expected "=" after {_quoted(str(target))}, found {self._found()}')
        self._at += 1
        self._skip_space()
        self._followers = _TOP
        start = self._at
        called = _FUNCTION.match(self._text, start)
        if self._text.startswith("(", start):
            merge: StackTerm = self._group()
        elif called:
            merge = self._call(called[1])
        else:
            merge = self._sum(None)
        if isinstance(merge, Mixture):
            self._at = start
            self._fail(
                f'"{merge.kind}" mixes outputs while a stack runs, and is no component',
                fix="add parameters instead, as in lang:ban = 0.5*lang:jav + 0.5*lang:mad",
            )
        assert isinstance(merge, Merge)
        self._skip_space()
        if not self._ended():
            self._fail(f"expected the end, found {self._found()}")
        return Combination(target, merge)

    # ------------------------------------------------------------------------------------------------- the terms

    def _term(self) -> StackTerm:
        start = self._at
        weight = self._weight()
        part = self._operand()
        return part if weight is None else self._made(start, lambda: Weighted(weight, part))

    def _operand(self) -> Atom | Merge | Mixture:
        if self._text.startswith("(", self._at):
            return self._group()
        called = _FUNCTION.match(self._text, self._at)
        return self._call(called[1]) if called else self._atom()

    def _weight(self) -> float | None:
        """The number and its ``*``, where there are any."""
        found = _NUMBER.match(self._text, self._at)
        # A name may begin with a digit.
        if not found or self._text[found.end() : found.end() + 1] in {":", "@"}:
            return None
        start, self._at = self._at, found.end()
        self._skip_space()
        if not self._text.startswith("*", self._at):
            self._fail(f'expected "*" after the weight {_quoted(found[0])}, found {self._found()}')
        self._at += 1
        self._skip_space()
        weight = float(found[0])
        self._made(start, lambda: Weighted(weight, PathReference("./")))
        return weight

    def _group(self) -> Merge:
        """Arithmetic in parentheses."""
        start = self._at
        self._at += 1
        self._skip_space()
        outside, self._followers = self._followers, _SUM
        merge = self._sum(start)
        self._at += 1
        self._followers = outside
        return merge

    def _sum(self, opened: int | None) -> Merge:
        """Members with signs, up to the closing parenthesis or, where none was opened, the end."""
        members: list[Weighted] = []
        start = self._at
        sign = 1.0
        if self._text.startswith("-", self._at) and not _NUMBER.match(self._text, self._at):
            sign = -1.0
            self._at += 1
            self._skip_space()
        while True:
            at, weight = self._at, self._weight()
            part = self._member_of_merge()
            signed = sign * (1.0 if weight is None else weight)
            members.append(self._made(at, lambda signed=signed, part=part: Weighted(signed, part)))  # type: ignore[misc]
            self._skip_space()
            if self._ended() if opened is None else self._text.startswith(")", self._at):
                return self._made(start, lambda: Merge(LINEAR, tuple(members)))
            if self._ended() or self._text[self._at] not in "+-":
                expected = '"+", "-" or the end' if opened is None else '"+", "-" or ")"'
                self._fail(f"expected {expected} after {_quoted(str(members[-1]))}, found {self._found()}")
            sign = 1.0 if self._text[self._at] == "+" else -1.0
            self._at += 1
            self._skip_space()

    def _member_of_merge(self) -> Atom:
        # Looked at before it is read, so that no text nests without end.
        called = _FUNCTION.match(self._text, self._at)
        if called or self._text.startswith("(", self._at):
            self._fail(
                f"expected a single component, found {_quoted(called[1] if called else '(')}",
                fix="write what is in there as a component first, with lect components combine",
            )
        return self._atom()

    def _member_of_mixture(self, name: str) -> Atom | Merge | Mixture:
        called = _FUNCTION.match(self._text, self._at)
        if called and called[1] in MIXTURES:
            self._fail(f'"{called[1]}" cannot stand inside "{name}"', fix="write its parts out, with their weights")
        return self._operand()

    def _call(self, name: str) -> Merge | Mixture:
        """``avg(...)``, ``mix(...)`` or a merge by its name."""
        start = self._at
        if name == "fuse":
            self._fail(
                '"fuse" is learned, and this stack names no trained fusion',
                fix='train a component with [[parts]] method = "fusion", over = ["lang:…", "lang:…"], and write its '
                "name here",
            )
        self._at = self._text.index("(", start) + 1
        outside, self._followers = self._followers, _LIST
        members: list[Weighted] = []
        options: list[tuple[str, int | float | str]] = []
        while True:
            self._skip_space()
            at = self._at
            if option := _OPTION.match(self._text, at):
                if name in MIXTURES:
                    self._fail(f'"{name}" has no options, found {_quoted(option[1])}', fix="leave it out")
                self._at = option.end()
                options.append((option[1], self._option_value(option[1])))
            elif options:
                self._fail(f"expected an option such as density=0.5, found {self._found()}", fix="name parts first")
            else:
                weight = self._weight()
                part = self._member_of_mixture(name) if name in MIXTURES else self._member_of_merge()
                scale = 1.0 if weight is None else weight
                members.append(self._made(at, lambda scale=scale, part=part: Weighted(scale, part)))  # type: ignore[misc]
            self._skip_space()
            if self._text.startswith(")", self._at):
                break
            if not self._text.startswith(",", self._at):
                last = options[-1][0] if options else str(members[-1])
                self._fail(f'expected "," or ")" after {_quoted(last)}, found {self._found()}')
            self._at += 1
        end = self._at + 1
        self._followers = outside
        if name in MIXTURES:
            made: Merge | Mixture = self._made(start, lambda: Mixture(name, tuple(members)))  # type: ignore[arg-type]
        else:
            made = self._made(start, lambda: Merge(name, tuple(members), tuple(options)))
        self._at = end
        return made

    def _option_value(self, name: str) -> int | float | str:
        if number := _NUMBER.match(self._text, self._at):
            self._at = number.end()
            is_whole = number[0].lstrip("-").isdigit() and len(number[0]) < 20
            return int(number[0]) if is_whole else float(number[0])
        word = _OPTION_WORD.match(self._text, self._at)
        if not word:
            self._fail(f'expected a number or a word as "{name}", found {self._found()}')
        self._at = word.end()
        return word[0]

    # --------------------------------------------------------------------------------------------- single components

    def _atom(self) -> Atom:
        if self._ended() or self._text[self._at] in "+),=*":
            self._fail(f"expected {_A_PART}, found {self._found()}")
        if self._text[self._at] == '"':
            return self._quoted_path()
        if self._text.startswith(PATH_STARTS, self._at):
            return self._bare_path()
        return self._reference()

    def _reference(self) -> Reference:
        start = self._at
        found = _NAME.match(self._text, start)
        role = found[0] if found else ""
        if not found or self._text[found.end() : found.end() + 1] != ":":
            fix = f'write "lang:{role}" or "task:{role}", or "./{role}" for a folder' if self._word() == role else None
            self._fail(f"expected {_A_PART}, found {self._found()}", fix=fix)
        if role not in ROLES:
            close = difflib.get_close_matches(role.lower(), ROLES, n=1, cutoff=0.4)
            fix = f'did you mean "{close[0]}"?' if close else None
            roles = " or ".join(f'"{known}"' for known in ROLES)
            self._fail(f"expected a role, {roles}, found {_quoted(role)}", fix=fix)
        self._at = found.end() + 1
        name = _NAME.match(self._text, self._at)
        if not name:
            self._fail(f'expected a name right after "{role}:", found {self._found()}', fix=f"a name is {NAME_RULE}")
        self._at = name.end()
        version = self._version() if self._text.startswith("@", self._at) else None
        fix = None
        if "-" in name[0] and self._text.startswith(":", self._at):
            fix = "put a space before a minus sign, which a name may hold"
        self._expect_end_of_part(f"in the name {_quoted(name[0])}" if version is None else "after the version", fix)
        return Reference(role, name[0], version)  # type: ignore[arg-type]

    def _version(self) -> str:
        self._at += 1
        found = _RANGE.match(self._text, self._at)
        if not found or not is_range(found[0]):
            self._fail(f"expected a version such as 1.0.0, found {self._found()}", fix=f"write {RANGE_RULE}")
        self._at = found.end()
        return found[0]

    def _bare_path(self) -> PathReference:
        found = BARE_PATH.match(self._text, self._at)
        path = found[0] if found else ""
        start, self._at = self._at, self._at + len(path)
        self._expect_end_of_part("in a path", fix="put the path in double quotes")
        return self._made(start, lambda: PathReference(path))

    def _quoted_path(self) -> PathReference:
        found = _QUOTED_PATH.match(self._text, self._at)
        if not found:
            self._fail("a quotation mark is not closed", fix="end the path with a double quote")
        start, self._at = self._at, found.end()
        self._expect_end_of_part("after a path in quotes")
        return self._made(start, lambda: PathReference(re.sub(r'\\([\\"])', r"\1", found[1])))

    # ----------------------------------------------------------------------------------------------------- the text

    def _made(self, start: int, make: Callable[[], Made]) -> Made:
        """What `make` makes; a refusal of it points at where the thing starts."""
        try:
            return make()
        except StackError as error:
            self._at = start
            self._fail(error.what, fix=error.fix)

    def _expect_end_of_part(self, where: str, fix: str | None = None) -> None:
        """Nothing but space or what may follow a part here."""
        if self._ended() or self._text[self._at] in self._followers or self._text[self._at].isspace():
            return
        expected = _EXPECTED[self._followers]
        self._fail(f"expected {expected}, found {_quoted(self._text[self._at])} {where}", fix=fix)

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        self._at = found.end() if found else self._at

    def _ended(self) -> bool:
        return self._at >= len(self._text)

    def _word(self) -> str:
        found = _WORD.match(self._text, self._at)
        return found[0] if found else ""

    def _found(self) -> str:
        if self._ended():
            return "the end"
        return _quoted(self._word() or self._text[self._at])

    def _fail(self, what: str, fix: str | None = None) -> NoReturn:
        raise StackError(what, where=f"{self._what}, column {self._at + 1}", fix=fix)


def _quoted(text: str) -> str:
    text = "".join(character if is_one_line(character) else "?" for character in text)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"'{text}'" if '"' in text else f'"{text}"'
