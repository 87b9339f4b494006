"""Names of components: by role and name, or by folder."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, get_args

from lect.errors import StackError
from lect.fields import NAME_PATTERN, NAME_RULE
from lect.literals import Role
from lect.versions import RANGE_RULE, is_range, is_version

ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True)
class Reference:
    """A component by role and name, such as ``lang:jav``.

    Args:
        version: one (``1.2.0``) or a range (``^1``, ``>=1,<2``); by default the newest that is there.
    """

    role: Role
    name: str
    version: str | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise StackError(f'no role "{self.role}"', fix=f"roles are: {', '.join(ROLES)}")
        if not re.fullmatch(NAME_PATTERN, self.name):
            raise StackError(f'"{self.name}" cannot be a component\'s name', fix=NAME_RULE)
        if self.version is not None and not is_range(self.version):
            raise StackError(f'"{self.version}" is no version', fix=f"write {RANGE_RULE}")

    @property
    def key(self) -> str:
        """Role and name, without the version."""
        return f"{self.role}:{self.name}"

    @property
    def is_exact(self) -> bool:
        """Whether it names one version."""
        return self.version is not None and is_version(self.version)

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
        if not self.path.startswith(PATH_STARTS):
            raise StackError(f'"{self.path}" is no path', fix=f'write "./{self.path}"')
        if not is_one_line(self.path):
            raise StackError(f"{self.path!a} has control characters", fix="rename the folder")

    @property
    def folder(self) -> Path:
        """The path with ``~`` replaced by the home folder. Raises `StackError` for an unknown user's."""
        try:
            return Path(self.path).expanduser()
        except RuntimeError:
            raise StackError(f'"{self.path}": there is no such home folder') from None

    def __str__(self) -> str:
        if BARE_PATH.fullmatch(self.path):
            return self.path
        escaped = self.path.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


Atom: TypeAlias = Reference | PathReference
"""One component, as a stack names it."""


PATH_STARTS = ("./", "../", "/", "~")
BARE_PATH = re.compile(r'(?:\.{0,2}/|~)[^\s+*(),="]*')


def is_one_line(text: str) -> bool:
    """Whether there is no control character, line break or half of a surrogate pair in it."""
    return all(unicodedata.category(character) not in {"Cc", "Cs", "Zl", "Zp"} for character in text)
