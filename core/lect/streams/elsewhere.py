"""Rows that are answered in other processes: read there, answered there, and put together here in their order."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lect.data.dataset import Source
from lect.errors import UserError
from lect.host import Host
from lect.runs import StreamWork
from lect.specs import ExecutorSpec
from lect.streams.rows import StackChoice, StreamRow, in_stretches, read_rows
from lect.streams.run import Work
from lect.streams.worker import Answered, Worker, WorkerSettings

if TYPE_CHECKING:
    from lect.host.records import Configured


@dataclass(frozen=True)
class SourceStretches:
    """Reads the rows of a source in stretches, wherever it is called.

    Args:
        folder: relative paths start there.
        skipped: rows that are passed over.
        most: rows of a stretch.
        block: plugins that are not to be imported.
    """

    folder: Path
    source: Source
    choice: StackChoice
    skipped: int
    most: int
    block: tuple[str, ...]

    def __call__(self) -> Iterator[list[StreamRow]]:
        """The stretches up to the first row that is wrong; where the rows are counted it is said which one."""
        _enter(self.folder)
        rows = read_rows(Host.load(block=self.block), self.source, self.choice, "--data")
        try:
            yield from in_stretches(islice(rows, self.skipped, None), self.most)
        except UserError:
            return


@dataclass(frozen=True)
class WorkerElsewhere:
    """Opens a worker, wherever it is called.

    Args:
        folder: relative paths start there.
    """

    folder: Path
    settings: WorkerSettings

    def __call__(self) -> Worker:
        """The worker. Raises `UserError`."""
        _enter(self.folder)
        return self.settings.open()


def answered_elsewhere(host: Host, configured: Configured[Any], work: StreamWork) -> Work:
    """Has rows answered by an executor; they are read here, too, to say which ones are answered.

    Args:
        configured: the executor.
    """

    def answered(stretches: Iterator[list[StreamRow]]) -> Generator[Answered, None, None]:
        with host.attributed(configured) as executor:
            assert isinstance(executor, ExecutorSpec) and executor.answer is not None
            for each in executor.answer(configured.config, work):
                stretch = next(stretches, None)
                if stretch is None or (each.error is None and len(each.answers) != len(stretch)):
                    break
                yield each
            else:
                if next(stretches, None) is None:
                    return
            raise UserError(
                "other rows are read there than here", where="--data", fix="let every machine see the same files"
            )

    return answered


def _enter(folder: Path) -> None:
    try:
        os.chdir(folder)
    except OSError as error:
        raise UserError(
            f"there is no such folder here ({(error.strerror or str(error)).lower()})",
            where=str(folder),
            fix="let every machine of a cluster see the same folders",
        ) from None
