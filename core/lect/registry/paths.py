"""Names of files that came from elsewhere: which may be written on this machine, and on any other."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from lect.errors import UserError

MAX_PATH_LENGTH = 240
MAX_STEPS = 8
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$|clock\$)([. ].*)?", re.IGNORECASE)
_FORBIDDEN = frozenset('\\:*?"<>|')


def check_file_path(path: str) -> str:
    """A relative path, with ``/`` between its steps, that stays where it is unpacked on every system.

    Returns:
        The path.

    Raises:
        UserError: it is absolute, goes up, is hidden, names a device of Windows, or holds what some system forbids.
    """
    shown = ascii(path[:80])
    if not path or len(path.encode("utf-8", "replace")) > MAX_PATH_LENGTH:
        raise UserError(f"the path {shown} is empty or longer than {MAX_PATH_LENGTH} bytes")
    steps = path.split("/")
    if len(steps) > MAX_STEPS:
        raise UserError(f"the path {shown} is deeper than {MAX_STEPS} folders")
    for step in steps:
        if problem := _problem(step):
            raise UserError(f"the path {shown} {problem}")
    return path


def clash(paths: Iterable[str]) -> str | None:
    """Which path takes another's place: the same, for a system that does not tell capitals, or a folder of its name."""
    seen, folders = set[str](), set[str]()
    for path in paths:
        folded = path.casefold()
        steps = folded.split("/")
        above = {"/".join(steps[:count]) for count in range(1, len(steps))}
        if folded in seen or folded in folders or above & seen:
            return path
        seen.add(folded)
        folders |= above
    return None


def _problem(step: str) -> str | None:
    if step in ("", ".", ".."):
        return "leaves its folder"
    if step.startswith("."):
        return "is hidden"
    if step.startswith("~") or _FORBIDDEN & set(step):
        return "holds a character that not every system allows"
    if any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"} for character in step):
        return "holds an invisible character"
    if unicodedata.normalize("NFC", step) != step:
        return "is not in Unicode's composed form (NFC)"
    if step != step.strip() or step.endswith("."):
        return "begins or ends with a space or dot"
    if _DEVICES.fullmatch(step):
        return "is the name of a device"
    return None
