"""What waits to be computed: bounded, and shared out so that no client's rows stand in the way of another's."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Waiting(Protocol):
    """Something that waits: it belongs to a client and has a weight."""

    @property
    def client(self) -> str:
        """Whose it is."""
        ...

    @property
    def tokens(self) -> int:
        """What it costs."""
        ...


Row = TypeVar("Row", bound=Waiting)


class FullError(Exception):
    """There is no room for so many rows."""


@dataclass
class _Client(Generic[Row]):
    rows: deque[Row] = field(default_factory=deque)
    finish: float = 0.0


class FairQueue(Generic[Row]):
    """Rows by client, given out by start-time fair queueing (Goyal, Vin and Cheng 1996), whose cost is in tokens.

    Each client that waits gets the same share of tokens, however much it has waiting. It is for one thread at a time.

    Args:
        most_rows: of all clients together.
        most_of_client: of any one of them.
    """

    def __init__(self, most_rows: int, most_of_client: int) -> None:
        self.most_rows, self.most_of_client = most_rows, most_of_client
        self.rows = self.tokens = 0
        self._clients: dict[str, _Client[Row]] = {}
        self._order: list[tuple[float, int, str]] = []
        self._now, self._count = 0.0, 0

    def room_for(self, client: str) -> int:
        """How many rows of a client can be put now."""
        own = self._clients.get(client)
        return max(0, min(self.most_rows - self.rows, self.most_of_client - (len(own.rows) if own else 0)))

    def put(self, rows: list[Row]) -> None:
        """Add rows of one client, all or none. Raises `FullError`."""
        if not rows:
            return
        name = rows[0].client
        if len(rows) > self.room_for(name):
            raise FullError
        client = self._clients.get(name)
        if client is None:
            client = self._clients[name] = _Client(finish=self._now)
        if not client.rows:
            self._enter(name, client)
        client.rows.extend(rows)
        self.rows += len(rows)
        self.tokens += sum(row.tokens for row in rows)

    def take(self, tokens: int) -> list[Row]:
        """The next rows of at most so many tokens together, one at least where any waits."""
        taken: list[Row] = []
        total = 0
        while self._order:
            start, _, name = self._order[0]
            client = self._clients[name]
            row = client.rows[0]
            if taken and total + row.tokens > tokens:
                break
            heapq.heappop(self._order)
            client.rows.popleft()
            self._now = start
            client.finish = start + row.tokens
            if client.rows:
                self._enter(name, client)
            else:
                del self._clients[name]
            taken.append(row)
            total += row.tokens
        self.rows -= len(taken)
        self.tokens -= total
        return taken

    def remove(self, client: str, unwanted: set[int]) -> list[Row]:
        """Take out a client's rows of these identities (`id`); those that were there."""
        own = self._clients.get(client)
        if own is None:
            return []
        removed = [row for row in own.rows if id(row) in unwanted]
        own.rows = deque(row for row in own.rows if id(row) not in unwanted)
        if not own.rows:
            del self._clients[client]
            self._order = [entry for entry in self._order if entry[2] != client]
            heapq.heapify(self._order)
        self.rows -= len(removed)
        self.tokens -= sum(row.tokens for row in removed)
        return removed

    def _enter(self, name: str, client: _Client[Row]) -> None:
        self._count += 1
        heapq.heappush(self._order, (max(self._now, client.finish), self._count, name))
