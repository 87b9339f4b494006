"""A client for loads: bare connections that are kept, requests that are made beforehand, and what came of them.

It takes a small share of the processors, which it has to where the server runs on the same machine. Connections are
bounded; a request of an open load (`arrivals`) that finds none free waits, and that counts as its latency.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def request_of(path: str, body: object = None, **headers: str) -> bytes:
    """A request as it goes over the wire: a POST where it has a body, which is made JSON."""
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1", "host: localhost"]
    if body is not None:
        lines += ["content-type: application/json", f"content-length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection(asyncio.Protocol):
    """A connection that is kept from one request to the next; for answers that say how long they are."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None
        self._received = bytearray()

    @classmethod
    async def open(cls, port: int) -> Connection:
        """A connection to this machine. Raises `OSError`."""
        _, found = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return found

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """The status and the body of the answer. Raises `ConnectionError`."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("it is closed")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close it at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._received, 0, end)
        size = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) >= size:
            status, body = int(self._received[9:12]), bytes(self._received[end + 4 : size])
            del self._received[:size]
            if self._answer is not None and not self._answer.done():
                self._answer.set_result((status, body))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("it was closed before the answer"))


@dataclass
class Outcome:
    """What came of a load.

    Attributes:
        latencies: seconds of each request that was answered with 200.
        statuses: of all; 0 where the connection was lost.
        seconds: for which it was asked.
        in_time: how many were answered with 200 within these.
        cpu: processor seconds of this process within these.
    """

    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0
    in_time: int = 0
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Requests a second that were answered with 200."""
        return self.in_time / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share of the answers came."""
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.latencies + other.latencies,
            self.statuses + other.statuses,
            self.seconds + other.seconds,
            self.in_time + other.in_time,
            self.cpu + other.cpu,
        )


Ask = Callable[[Connection, bytes], Awaitable[tuple[int, bytes]]]


async def at_concurrency(port: int, requests: Iterator[bytes], concurrency: int, seconds: float) -> Outcome:
    """A closed load: so many connections, each with a request at all times."""
    found = Outcome()
    began, cpu = time.perf_counter(), time.process_time()

    async def one() -> None:
        connection = await Connection.open(port)
        while time.perf_counter() - began < seconds:
            asked = time.perf_counter()
            await _count(found, connection, next(requests), asked)
        connection.close()

    await asyncio.gather(*(one() for _ in range(concurrency)))
    found.seconds, found.cpu = time.perf_counter() - began, time.process_time() - cpu
    found.in_time = len(found.latencies)
    return found


async def arrivals(
    port: int, requests: Iterator[bytes], rate: float, seconds: float, *, most: int = 2000, seed: int = 0
) -> Outcome:
    """An open load: requests arrive as a Poisson process, whether those before them are answered or not.

    A latency is counted from the arrival on, whenever the client got round to it.
    """
    found, free, running = Outcome(), list[Connection](), set[asyncio.Task[None]]()
    room = asyncio.Semaphore(most)
    generator = random.Random(seed)
    began, cpu = time.perf_counter(), time.process_time()

    async def one(request: bytes, arrived: float) -> None:
        async with room:
            connection = free.pop() if free else await Connection.open(port)
            if await _count(found, connection, request, arrived):
                free.append(connection)

    for arrived in itertools.accumulate(iter(lambda: generator.expovariate(rate), None)):
        if arrived > seconds:
            break
        if (ahead := began + arrived - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.ensure_future(one(next(requests), began + arrived))
        running.add(task)
        task.add_done_callback(running.discard)
    found.seconds, found.cpu = time.perf_counter() - began, time.process_time() - cpu
    found.in_time = len(found.latencies)
    await asyncio.gather(*running)
    for connection in free:
        connection.close()
    return found


async def _count(found: Outcome, connection: Connection, request: bytes, since: float) -> bool:
    """Ask, and note what came of it; whether the connection is still good."""
    try:
        status, _ = await connection.ask(request)
    except OSError:
        found.statuses[0] += 1
        return False
    found.statuses[status] += 1
    if status == 200:
        found.latencies.append(time.perf_counter() - since)
    return True
