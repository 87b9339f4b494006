"""Stacks as users write them: ``lang:jav + task:sentiment@1.2.0 + ./my/part``.

.. code-block:: text

    stack   = [ part { "+" part } ]
    part    = role ":" name [ "@" version ] | path
    role    = "lang" | "task"
    name    = a letter or digit, then letters, digits, ".", "_", "-" (ASCII)
    version = as PEP 440 has it, without epoch and local part
    path    = begins with ./ ../ / or ~; in double quotes where it has spaces or any of  + * ( ) , = "

The empty text is the bare backbone. Space around ``+`` is optional.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TypeAlias, get_args

from lect.errors import StackError
from lect.specs import Role

ROLES: tuple[str, ...] = get_args(Role)
NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]*"
NAME_RULE = 'a letter or digit, then letters, digits, ".", "_" or "-"'
VERSION_PATTERN = r"[0-9][A-Za-z0-9._-]*"


@dataclass(frozen=True)
class Reference:
    """A component by role and name, such as ``lang:jav``, in any version or in one."""

    role: Role
    name: str
    version: str | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise StackError(f'no role "{self.role}"', fix=f"roles are: {', '.join(ROLES)}")
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise StackError(f'"{self.name}" cannot be a component\'s name', fix=NAME_RULE)
        if self.version is not None and not is_version(self.version):
            raise StackError(f'"{self.version}" is no version', fix="write one such as 1.0.0")

    @property
    def key(self) -> str:
        """Role and name, without the version."""
        return f"{self.role}:{self.name}"

    def __str__(self) -> str:
        return self.key if self.version is None else f"{self.key}@{self.version}"


@dataclass(frozen=True)
class PathReference:
    """A component by its folder.

    Args:
        path: as the user wrote it: ``./…``, ``../…``, ``/…`` or ``~…``.
    """

    path: str

    def __post_init__(self) -> None:
        if not self.path.startswith(_PATH_STARTS):
            raise StackError(f'"{self.path}" is no path', fix=f'write "./{self.path}"')
        if not _is_one_line(self.path):
            raise StackError(f"{self.path!a} has control characters", fix="rename the folder")

    @property
    def folder(self) -> Path:
        """The path with ``~`` replaced by the home folder. Raises `StackError` for an unknown user's."""
        try:
            return Path(self.path).expanduser()
        except RuntimeError:
            raise StackError(f'"{self.path}": there is no such home folder') from None

    def __str__(self) -> str:
        if _BARE_PATH.fullmatch(self.path):
            return self.path
        escaped = self.path.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


StackPart: TypeAlias = Reference | PathReference


@dataclass(frozen=True)
class Stack:
    """An ordered composition of components, the first one nearest to the backbone; empty for the bare backbone."""

    parts: tuple[StackPart, ...] = ()

    def without(self, index: int) -> Stack:
        """The same stack less one part. Raises `IndexError`."""
        if not -len(self.parts) <= index < len(self.parts):
            raise IndexError(f"the stack has {len(self.parts)} parts; there is none at {index}")
        index %= len(self.parts)
        return Stack(self.parts[:index] + self.parts[index + 1 :])

    def __str__(self) -> str:
        return " + ".join(map(str, self.parts))


def parse_stack(text: str) -> Stack:
    """The stack that a text means; ``str`` of it is the text's canonical form.

    Raises:
        StackError: with the column and what was expected there.
    """
    return _Scanner(text).stack()


def is_version(text: str) -> bool:
    """Whether a stack can name this version: PEP 440 without epoch and local part."""
    from packaging.version import InvalidVersion, Version

    if not re.fullmatch(VERSION_PATTERN, text):
        return False
    try:
        Version(text)
    except InvalidVersion:
        return False
    return True


_PATH_STARTS = ("./", "../", "/", "~")
# The symbols are kept out of bare paths so that a stack can one day hold weights, functions and arithmetic.
_BARE_PATH = re.compile(r'(?:\.{0,2}/|~)[^\s+*(),="]*')
_QUOTED_PATH = re.compile(r'"((?:[^"\\]|\\[\\"]|\\(?![\\"]))*)"')
_SPACE = re.compile(r"\s*")
_NAME = re.compile(NAME_PATTERN)
_WORD = re.compile(r"[^\s+]+")


def _is_one_line(text: str) -> bool:
    """Whether there is no control character, line break or half of a surrogate pair in it."""
    return all(unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} for character in text)


class _Scanner:
    """Reads a stack from left to right."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def stack(self) -> Stack:
        self._skip_space()
        if self._ended():
            return Stack()
        parts = [self._part()]
        while True:
            self._skip_space()
            if self._ended():
                return Stack(tuple(parts))
            if self._text[self._at] != "+":
                self._fail(f'expected "+" after {_quoted(str(parts[-1]))}, found {self._found()}')
            self._at += 1
            self._skip_space()
            parts.append(self._part())

    def _part(self) -> StackPart:
        if self._ended() or self._text[self._at] == "+":
            self._fail(f"expected {_A_PART}, found {self._found()}")
        if self._text[self._at] == '"':
            return self._quoted_path()
        if self._text.startswith(_PATH_STARTS, self._at):
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
        self._expect_end_of_part(f"in the name {_quoted(name[0])}" if version is None else "after the version")
        return Reference(role, name[0], version)  # type: ignore[arg-type]

    def _version(self) -> str:
        self._at += 1
        word = self._word()
        if not is_version(word):
            self._fail(f"expected a version such as 1.0.0, found {self._found()}")
        self._at += len(word)
        return word

    def _bare_path(self) -> PathReference:
        found = _BARE_PATH.match(self._text, self._at)
        path = found[0] if found else ""
        start, self._at = self._at, self._at + len(path)
        self._expect_end_of_part("in a path", fix="put the path in double quotes")
        return self._path(path, start)

    def _quoted_path(self) -> PathReference:
        found = _QUOTED_PATH.match(self._text, self._at)
        if not found:
            self._fail("a quotation mark is not closed", fix="end the path with a double quote")
        start, self._at = self._at, found.end()
        self._expect_end_of_part("after a path in quotes")
        return self._path(re.sub(r'\\([\\"])', r"\1", found[1]), start)

    def _path(self, path: str, start: int) -> PathReference:
        try:
            return PathReference(path)
        except StackError as error:
            self._at = start
            self._fail(error.what, fix=error.fix)

    def _expect_end_of_part(self, where: str, fix: str | None = None) -> None:
        """Nothing but space or a plus sign may follow here."""
        if not self._ended() and self._text[self._at] != "+" and not self._text[self._at].isspace():
            self._fail(f'expected "+" or the end, found {_quoted(self._text[self._at])} {where}', fix=fix)

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
        raise StackError(what, where=f"stack, column {self._at + 1}", fix=fix)


_A_PART = "a part such as lang:jav, task:topic or ./folder"


def _quoted(text: str) -> str:
    text = "".join(character if _is_one_line(character) else "?" for character in text)
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return f"'{text}'" if '"' in text else f'"{text}"'
