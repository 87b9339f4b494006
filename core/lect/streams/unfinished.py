"""Answers that are being written to a file: what is written is never lost, and a later process goes on behind it.

Beside the file ``NAME`` lies the folder ``NAME.unfinished`` as long as answers are missing: `rows` holds the answers
until now, and `journal.jsonl` the command, and after each stretch how many rows are answered, how many bytes they take,
and a digest of the rows. What a killed process wrote of a further stretch is cut off. A file of the name appears at the
end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lect.errors import UserError
from lect.files import flush_to_disk, full_disk_named, write_aside
from lect.leftovers import held, is_abandoned, take_away

UNFINISHED = ".unfinished"
_SCHEMA = 1


@dataclass
class Unfinished:
    """The answers until now.

    Args:
        target: the file that they become.
        rows: how many rows are answered.
        sha256: of these rows.
        is_complete: whether all are answered, and only the file has still to be made.
    """

    target: Path
    folder: Path
    rows: int
    sha256: str
    is_complete: bool
    _answers: IO[bytes]
    _journal: IO[bytes]

    @property
    def part(self) -> Path:
        """The file of the answers until now."""
        return self.folder / "rows"

    def add(self, answers: bytes, rows: int, sha256: str) -> None:
        """Write the answers of a stretch.

        Args:
            rows: how many are answered then.
            sha256: of all these rows.
        """
        with full_disk_named(self.target):
            _write(self._answers, answers)
            self._note({"rows": rows, "bytes": self._answers.tell(), "sha256": sha256})
        self.rows, self.sha256 = rows, sha256

    def finish(self, make: Callable[[Path, int, Path], None]) -> None:
        """Make the file of the answers, which then appears, and take away what lies beside it.

        Args:
            make: makes it, from the path of the answers, the number of rows, and the path of the file.
        """
        with full_disk_named(self.target):
            if not self.is_complete:
                self._note({"rows": self.rows, "bytes": self._answers.tell(), "sha256": self.sha256, "complete": True})
            self._answers.close()
            make(self.part, self.rows, self.target)
        take_away(self.folder)

    def _note(self, entry: Mapping[str, Any]) -> None:
        _write(self._journal, f"{json.dumps(entry)}\n".encode())


@contextmanager
def unfinished(
    target: Path, command: Mapping[str, Any], *, resume: bool, start: bytes = b""
) -> Iterator[Unfinished | None]:
    """The answers that become a file; this process alone writes them in the block.

    Args:
        command: what makes the answers what they are, as JSON can hold it.
        resume: whether to go on with what an interrupted process has left.
        start: what the file of answers begins with.

    Yields:
        Them; None where the file is there, and nothing unfinished: there is nothing to go on with.

    Raises:
        UserError: there are unfinished answers and they are not to be gone on with, or they are of another command or
            being written; or nothing can be written there.
    """
    folder = target.with_name(target.name + UNFINISHED)
    journal = folder / "journal.jsonl"
    if journal.exists() and not resume:
        raise UserError(
            f"answers of an earlier process are in {folder.name}",
            where=str(target),
            fix="go on with --resume, or remove that folder to begin anew",
        )
    if resume and target.exists() and not journal.exists():
        yield None
        return
    if not journal.exists():
        _begin(target, folder, journal, command, start)
    in_use = UserError("another process is writing these answers", where=str(folder), fix="wait for it, or end it")
    if is_abandoned(journal) is False:
        raise in_use
    with held(journal) as is_there:
        if not is_there:
            raise in_use
        earlier, entry, end = _read(journal, folder)
        _check_same(earlier, command, folder)
        part = folder / "rows"
        if entry.get("complete") and not part.exists():
            take_away(folder)
            yield None
            return
        with part.open("r+b") as answers, journal.open("r+b") as notes:
            for file, size in ((answers, entry["bytes"]), (notes, end)):
                file.truncate(size)
                file.seek(size)
            own = Unfinished(
                target, folder, entry["rows"], entry["sha256"], bool(entry.get("complete")), answers, notes
            )
            try:
                yield own
            except BaseException:
                if not own.rows:
                    # What comes to nothing leaves nothing.
                    take_away(folder)
                raise


def _begin(target: Path, folder: Path, journal: Path, command: Mapping[str, Any], start: bytes) -> None:
    if target.is_dir():
        raise UserError("this is a folder, not a file", where=str(target), fix="name a file")
    write_aside(folder / "rows", start)
    first = {"schema": _SCHEMA, "command": command, "rows": 0, "bytes": len(start), "sha256": ""}
    # With it there is something to go on with.
    write_aside(journal, f"{json.dumps(first)}\n")


def _read(journal: Path, folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any], int]:
    """The command, the last entry that the answers hold all of, and where the journal ends then."""
    part = folder / "rows"
    size = part.stat().st_size if part.exists() else None
    command: Mapping[str, Any] = {}
    last: Mapping[str, Any] = {}
    end = position = 0
    with journal.open("rb") as file:
        for line in file:
            position += len(line)
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if not line.endswith(b"\n") or (size is not None and entry["bytes"] > size):
                break
            command = command or entry.get("command", {})
            last, end = entry, position
    if not command:
        fix = "remove that folder to begin anew"
        raise UserError("the journal of unfinished answers cannot be read", where=str(folder), fix=fix)
    return command, last, end


def _check_same(earlier: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    for name in {**earlier, **now}:
        before, after = earlier.get(name), now.get(name)
        if json.loads(json.dumps(after)) != before:
            said = f"{name} was {_short(before)} and is {_short(after)}"
            raise UserError(
                f"the unfinished answers are of another command: {said}",
                where=str(folder),
                fix="give the same command, or remove that folder to begin anew",
            )


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) <= 100 else f"{said[:99]}…"


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)
    file.flush()
    flush_to_disk(file.fileno())
