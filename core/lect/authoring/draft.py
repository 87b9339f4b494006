"""What `lect new` makes: a file, what is told of it, and what may lie beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lect.authoring.facts import Counted, scripts_told
from lect.counts import number_of


@dataclass(frozen=True)
class Found:
    """A file, and what was found in it, a line each."""

    name: str
    what: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """A file that is ready to be written.

    Args:
        path: where it goes.
        text: what it holds.
        found: what the data is, a line a file.
        paragraph: why it is so.
        notes: what a person should look at before going on.
        following: the next commands.
        beside: further files, by path.
    """

    path: Path
    text: str
    found: Sequence[Found]
    paragraph: str
    notes: Sequence[str] = ()
    following: Sequence[str] = ()
    beside: Mapping[Path, str] = field(default_factory=dict)


def told(counted: Counted, named: str) -> Found:
    """A file: how many rows, read how, in which scripts, with which tokens."""
    inspection, detected = counted.inspection, counted.detected
    read = [f"{counted.count} rows", f"read as {detected.reader}", *detected.seen]
    if detected.columns is not None:
        named_columns = ("text", "text_pair", "translation", "label", "key", "words", "tags")
        columns = [f'{name} "{detected.config[name]}"' for name in named_columns if detected.config.get(name)]
        if "text" not in detected.config and detected.reader != "dictionary":
            columns.insert(0, 'text "text"')
        read.append(f"columns: {', '.join(columns)}")
    parts = [f"script {scripts_told(inspection)}"]
    if inspection.tokens is not None:
        parts.append(f"{inspection.tokens.unknown_share:.1%} unknown tokens")
        parts.append(f"{inspection.tokens.tokens_per_word:.2f} tokens a word")
    if counted.doubled:
        parts.append(f"{number_of(counted.doubled, 'row')} there twice")
    return Found("/".join(Path(named).parts[-3:]), ("; ".join(read), "; ".join(parts)))
