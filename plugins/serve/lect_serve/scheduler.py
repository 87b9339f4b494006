"""Continuous batching: one thread computes, batch after batch, whatever rows wait, of any stacks and any clients."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from lect import UserError
from lect.serving import Engine, PreparedRow, compute_rows
from lect_serve.fair_queue import FairQueue, FullError
from lect_serve.refusals import OverloadedError, StoppingError, TooLateError

T = TypeVar("T")
_LOG = logging.getLogger("lect.serve")


class Job:
    """The rows of one request, and their results as they are ready. Made by `Scheduler.submit`.

    Args:
        deadline: after which its rows are not computed any more, in `time.monotonic`'s seconds.
        on_finished: called once, in the event loop, when none of its rows waits or is computed any more.
    """

    def __init__(
        self, client: str, rows: Sequence[PreparedRow], deadline: float, on_finished: Callable[[], None]
    ) -> None:
        self.client, self.deadline, self.rows = client, deadline, len(rows)
        self.waiting = [_Row(self, place, row) for place, row in enumerate(rows)]
        self.is_cancelled = False
        self._loop = asyncio.get_running_loop()
        self._results: asyncio.Queue[list[tuple[int, Any]]] = asyncio.Queue()
        self._outstanding, self._unread = len(rows), len(rows)
        self._on_finished = on_finished
        if not rows:
            on_finished()

    async def ready(self) -> AsyncIterator[tuple[int, Any]]:
        """Each row's number and result, as they are ready. Raises what a row failed with."""
        while self._unread:
            for place, result in await self._results.get():
                self._unread -= 1
                if isinstance(result, BaseException):
                    raise result
                yield place, result

    async def all(self) -> list[Any]:
        """Every row's result, in the order of the rows. Raises what a row failed with."""
        found = {place: result async for place, result in self.ready()}
        return [found[place] for place in range(len(found))]

    def deliver(self, results: list[tuple[int, Any]]) -> None:
        """Called by the thread that computes: hand over results of rows, or why there are none."""
        with suppress(RuntimeError):  # the event loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._receive, results)

    def _receive(self, results: list[tuple[int, Any]]) -> None:
        self._outstanding -= len(results)
        self._results.put_nowait(results)
        if self._outstanding == 0:
            self._on_finished()


class _Row:
    """A row that waits."""

    __slots__ = ("job", "place", "prepared")

    def __init__(self, job: Job, place: int, prepared: PreparedRow) -> None:
        self.job, self.place, self.prepared = job, place, prepared

    @property
    def client(self) -> str:
        return self.job.client

    @property
    def tokens(self) -> int:
        return self.prepared.tokens


class Scheduler:
    """The queue, and the thread that computes what is in it.

    Args:
        tokens_per_batch: the most tokens of a batch, unless one row has more.
        most_wait: seconds; where what waits would take longer, nothing more is taken in.
        on_batch: told of each batch: rows, tokens and seconds.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        tokens_per_batch: int,
        most_rows: int,
        most_of_client: int,
        most_wait: float,
        on_batch: Callable[[int, int, float], None] = lambda rows, tokens, seconds: None,
    ) -> None:
        self._engine, self._tokens, self._most_wait = engine, tokens_per_batch, most_wait
        self._queue: FairQueue[_Row] = FairQueue(most_rows, most_of_client)
        self._actions: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._wake = threading.Condition()
        self._on_batch = on_batch
        self._is_stopping = False
        self._rate = 0.0
        self._thread = threading.Thread(target=self._compute_all, name="lect-serve-compute", daemon=True)
        self._thread.start()

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._queue.rows

    @property
    def wait(self) -> float:
        """The seconds that what waits will take, as batches have been lately."""
        return self._queue.tokens / self._rate if self._rate else 0.0

    def check_room(self, client: str, rows: int) -> None:
        """Refuse rows that there is no room for, before anything is done for them. Raises `OverloadedError`."""
        with self._wake:
            wait = self.wait
            if rows > self._queue.room_for(client) or wait > self._most_wait:
                raise OverloadedError(self._queue.rows, max(wait, 1.0))

    def submit(
        self, client: str, rows: Sequence[PreparedRow], *, deadline: float, on_finished: Callable[[], None]
    ) -> Job:
        """Let rows wait for their turn; called in the event loop.

        Raises:
            OverloadedError: there is no room for them; `on_finished` is not called then.
            StoppingError: the server stops.
        """
        with self._wake:
            if self._is_stopping:
                raise StoppingError
            wait = self.wait
            if len(rows) > self._queue.room_for(client) or wait > self._most_wait:
                raise OverloadedError(self._queue.rows, max(wait, 1.0))
            job = Job(client, rows, deadline, on_finished)
            try:
                self._queue.put(job.waiting)
            except FullError:  # pragma: no cover - there was room
                raise OverloadedError(self._queue.rows, max(wait, 1.0)) from None
            self._wake.notify()
        return job

    def cancel(self, job: Job) -> None:
        """Take a job's rows out at once: its client is gone. What is being computed is computed to its end."""
        with self._wake:
            job.is_cancelled = True
            removed = self._queue.remove(job.client, {id(row) for row in job.waiting})
        if removed:
            job.deliver([(row.place, asyncio.CancelledError()) for row in removed])

    def between_batches(self, action: Callable[[], T]) -> Future[T]:
        """Run something while nothing is computed, after what was asked for before it; what it gives.

        Raises:
            StoppingError: the server stops.
        """
        future: Future[T] = Future()
        with self._wake:
            if self._is_stopping:
                raise StoppingError
            self._actions.append((action, future))
            self._wake.notify()
        return future

    def stop(self) -> None:
        """Compute nothing more; what still waits is told so."""
        with self._wake:
            self._is_stopping = True
            left = self._queue.take(2**62)
            self._wake.notify()
        for row in left:
            row.job.deliver([(row.place, StoppingError())])
        self._thread.join()

    # ---------------------------------------------------------------------------------------- the thread that computes

    def _compute_all(self) -> None:
        while True:
            with self._wake:
                while not (self._queue.rows or self._actions or self._is_stopping):
                    self._wake.wait()
                actions = list(self._actions)
                self._actions.clear()
                stopping = self._is_stopping
                batch = [] if stopping else self._queue.take(self._tokens)
            for action, future in actions:
                _run(action, future)
            if stopping:
                return
            if batch:
                self._compute(batch)

    def _compute(self, batch: Sequence[_Row]) -> None:
        now = time.monotonic()
        results: dict[Job, list[tuple[int, Any]]] = {}
        live: list[_Row] = []
        for row in batch:
            if row.job.is_cancelled or row.job.deadline < now:
                why = asyncio.CancelledError() if row.job.is_cancelled else TooLateError()
                results.setdefault(row.job, []).append((row.place, why))
            else:
                live.append(row)
        if live:
            tokens = sum(row.tokens for row in live)
            for row, result in zip(live, self._results(live), strict=True):
                results.setdefault(row.job, []).append((row.place, result))
            seconds = time.monotonic() - now
            if 2 * tokens >= self._tokens:
                # Small batches say nothing of how fast a full queue is.
                rate = tokens / max(seconds, 1e-6)
                self._rate = 0.8 * self._rate + 0.2 * rate if self._rate else rate
            self._on_batch(len(live), tokens, seconds)
        for job, own in results.items():
            job.deliver(own)

    def _results(self, rows: Sequence[_Row]) -> list[Any]:
        """What is computed for rows, or for each what it failed with: no row fails because another does."""
        try:
            return list(compute_rows(self._engine, [row.prepared for row in rows]))
        except Exception as error:
            if len(rows) == 1:
                if not isinstance(error, UserError):
                    _LOG.exception("a row could not be computed")
                return [error]
            middle = len(rows) // 2
            return [*self._results(rows[:middle]), *self._results(rows[middle:])]


def _run(action: Callable[[], Any], future: Future[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(action())
    except BaseException as error:
        future.set_exception(error)
