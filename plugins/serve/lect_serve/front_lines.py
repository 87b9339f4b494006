"""NDJSON through a front: cut into requests of some lines, which replicas answer at once, put together in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request

from lect import ReplicaLostError
from lect_serve.access import Client
from lect_serve.asked import Asked, asked_of
from lect_serve.ndjson import NDJSON, Records, Waiting, in_order, is_ndjson, lines_of
from lect_serve.refusals import BusyError, RefusalError

if TYPE_CHECKING:
    from lect_serve.front import Front

_AT_ONCE = 64
"""Lines of a request."""
_IN_FLIGHT = 8
_LATER = (429, 503)
_PAUSE = 0.05


def is_lines(request: Request) -> bool:
    """Whether a request is one of NDJSON."""
    is_posted = request.method == "POST" and request.url.path == "/v1/predict/lines"
    return is_posted and is_ndjson(request.headers.get("content-type", ""))


async def send_lines(front: Front, request: Request, client: Client, send: Any) -> None:
    """Answer each line, in order, until the client leaves."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", NDJSON.encode()), (b"cache-control", b"no-store")],
        }
    )
    waiting: Waiting = asyncio.Queue(_IN_FLIGHT)
    reading = asyncio.ensure_future(_read_all(front, request, client, waiting))
    async with aclosing(in_order(waiting, reading)) as blocks:
        async for block in blocks:
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _read_all(front: Front, request: Request, client: Client, waiting: Waiting) -> None:
    """Read lines, and have what they ask for answered; where the client leaves, the end is told at once."""
    chunk: list[bytes] = []
    first = 0

    async def put() -> None:
        nonlocal chunk, first
        await waiting.put(asyncio.ensure_future(_answered(front, request, client, chunk, first)))
        first += len(chunk)
        chunk = []

    refusal: RefusalError | None = None
    try:
        async for line in lines_of(request, front.config.limits.body_bytes):
            if line.strip():
                chunk.append(line)
            if len(chunk) == _AT_ONCE:
                await put()
    except RefusalError as error:
        refusal = error
    except ClientDisconnect:
        chunk = []
    if chunk:
        await put()
    if refusal is not None:
        last: asyncio.Future[Records] = asyncio.get_running_loop().create_future()
        last.set_result([{"index": first, "error": {"message": str(refusal), "type": refusal.kind}}])
        await waiting.put(last)
    await waiting.put(None)


async def _answered(front: Front, request: Request, client: Client, lines: Sequence[bytes], first: int) -> Records:
    """The records of some lines, each of which may say what made it."""
    loop = asyncio.get_running_loop()
    until = loop.time() + front.config.limits.seconds
    stack = request.query_params.get("stack") or asked_of("", None, lines[0]).stack
    error = {"message": "too much waits", "type": "overloaded"}
    while loop.time() < until:
        try:
            front.access.spend(client, len(lines))
            found, error = await _once(front, request, client, lines, stack)
        except BusyError as refusal:
            found, error = [], {"message": str(refusal), "type": refusal.kind}
        except ReplicaLostError:
            # Of lines that were being answered nothing was sent on.
            found = []
        except RefusalError as refusal:
            error = {"message": str(refusal), "type": refusal.kind}
            break
        if found:
            made_by: Any = None
            for place, record in enumerate(found):
                record["index"] = first + place
                if "error" in record:
                    said = str(record["error"]["message"])
                    record["error"]["message"] = said.replace(f"line {place + 1} ", f"line {first + place + 1} ", 1)
                else:
                    made_by = record.setdefault("made_by", made_by)
            return found
        # Whoever sends a stream of lines waits, and reads no further.
        await asyncio.sleep(_PAUSE)
    return [{"index": first + place, "error": error} for place in range(len(lines))]


async def _once(
    front: Front, request: Request, client: Client, lines: Sequence[bytes], stack: str | None
) -> tuple[Records, dict[str, str]]:
    """What a replica answers to some lines, or why there is nothing yet. Raises `RefusalError`."""
    body, status = b"", 0
    async for messages in front.messages(request, client, b"\n".join(lines), Asked(stack)):
        for message in messages:
            status = message.get("status", status)
            body += message.get("body", b"")
    if status == 200:
        return [json.loads(line) for line in body.splitlines()], {}
    said = json.loads(body)["error"]
    error = {"message": said["message"], "type": said["type"]}
    if status in _LATER:
        return [], error
    refusal = RefusalError(error["message"])
    refusal.status, refusal.kind = status, error["type"]
    raise refusal
