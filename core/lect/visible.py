"""The gate that every text of a stranger goes through on its way to a terminal, a page or a log.

Labels, sources, names and texts may come from anyone. Characters that steer a terminal (escape sequences, in one
character too) or turn what follows around (bidirectional overrides and isolates) are spelt out there. Marks that
scripts need (joiners, left-to-right and right-to-left marks) stay as they are.
"""

from __future__ import annotations

import re
from typing import Any

_WIDTH, _LINES, _CHARACTERS = 80, 24, 980
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls but for tabs and ends of lines, with those of eight bits
    "\u2028\u2029"  # ends of lines and paragraphs
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides and isolates
    "\u206a-\u206f\ufff9-\ufffb\ufeff"  # deprecated formats, interlinear marks, byte order mark
    "\ud800-\udfff]"  # halves of characters, which cannot be written
)


def visible(text: str) -> str:
    """The text with characters that steer spelt out, as ``\\x1b`` or ``\\u202e``; ends of lines and tabs stay."""
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_screen(renderable: Any) -> str:
    """What `rich` prints for it, as plain text of one screen at most: what an object shows for itself."""
    import io

    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=_WIDTH, color_system=None, force_jupyter=False, markup=False, emoji=False)
    console.print(renderable)
    lines = [line.rstrip() for line in visible(out.getvalue()).rstrip().splitlines()]
    text = "\n".join(lines[:_LINES])
    if len(text) > _CHARACTERS:
        text = text[:_CHARACTERS].rpartition("\n")[0]
    return text if len(text.splitlines()) == len(lines) else f"{text}\n…"


def visible_json(text: str) -> str:
    """A JSON text that means the same, with these characters as JSON spells them, so that none is printed."""
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
