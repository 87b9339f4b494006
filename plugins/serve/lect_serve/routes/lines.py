"""NDJSON in and out: inputs of any number, read as they come and answered in their order, with bounded memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from lect import UserError
from lect_serve.access import Client
from lect_serve.automatic import Row
from lect_serve.leaving import gone
from lect_serve.ndjson import NDJSON, Waiting, in_order, is_ndjson, lines_of
from lect_serve.refusals import BusyError, InvalidError, RefusalError, UnclearError
from lect_serve.routes.common import ClientOf, ServiceOf, Streamed
from lect_serve.routes.predict import input_of, record
from lect_serve.service import Service

router = APIRouter(tags=["lect"])
_AT_ONCE = 64
"""So many rows are asked for together."""
_IN_FLIGHT = 4
_PAUSE = 0.05
_TRIES = 200


@router.post("/v1/predict/lines")
async def predict_lines(request: Request, service: ServiceOf, client: ClientOf, stack: str | None = None) -> Response:
    """A line of JSON for each line of JSON: texts, or objects as in `/v1/predict`.

    The content type is `application/x-ndjson`. A line that is wrong is answered by a line with `error`, and the others
    go on. The first line of the answer to come from other components than the one before it says by `made_by` which.
    """
    if not is_ndjson(request.headers.get("content-type", "")):
        raise InvalidError(
            "the content type is not application/x-ndjson", fix="send it, with a line of JSON for each input"
        )
    service.check_ready()
    general = service.default_stack if stack is None else stack
    is_read = asyncio.Event()

    async def leaving() -> None:
        await is_read.wait()
        await gone(request)

    answers = _answers(request, service, client, general, is_read)
    return Streamed(answers, NDJSON, leaving())


async def _answers(
    request: Request, service: Service, client: Client, stack: str, is_read: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Answers in the order of the lines; a few chunks are computed while further lines are read."""
    waiting: Waiting = asyncio.Queue(_IN_FLIGHT)
    reader = asyncio.ensure_future(_read_all(request, service, client, stack, waiting, is_read))
    async with aclosing(in_order(waiting, reader)) as blocks:
        async for block in blocks:
            yield block


async def _read_all(
    request: Request,
    service: Service,
    client: Client,
    stack: str,
    waiting: Waiting,
    is_read: asyncio.Event,
) -> None:
    """Read lines, and let what they ask for be computed; where the client leaves, the end is told at once."""
    chunk: list[Row | RefusalError] = []
    number = 0
    try:
        async for line in lines_of(request, service.config.limits.body_bytes):
            if not line.strip():
                continue
            chunk.append(_row(line, number, stack))
            number += 1
            if len(chunk) == _AT_ONCE:
                await waiting.put(asyncio.ensure_future(_chunk(service, client, chunk, number)))
                chunk = []
        is_read.set()
    except RefusalError as refusal:
        chunk.append(refusal)
        number += 1
    except ClientDisconnect:
        chunk = []
    if chunk:
        await waiting.put(asyncio.ensure_future(_chunk(service, client, chunk, number)))
    await waiting.put(None)


async def _chunk(service: Service, client: Client, lines: list[Row | RefusalError], end: int) -> list[dict[str, Any]]:
    """What is answered for some lines."""
    first = end - len(lines)
    records: list[dict[str, Any]] = [
        {"index": first + place, "error": _error(line)} if isinstance(line, RefusalError) else {}
        for place, line in enumerate(lines)
    ]
    places = [place for place, line in enumerate(lines) if not isinstance(line, RefusalError)]
    rows = [line for line in lines if not isinstance(line, RefusalError)]
    for _ in range(_TRIES if rows else 0):
        try:
            found, answering = await service.answers(client, rows)
        except BusyError:
            # Whoever sends a stream of lines waits, and reads no further.
            await asyncio.sleep(_PAUSE)
            continue
        except UnclearError as error:
            for row, refusal in error.refused.items():
                records[places[row]] = {"index": first + places[row], "error": _error(refusal)}
            places = [place for row, place in enumerate(places) if row not in error.refused]
            rows = [each for row, each in enumerate(rows) if row not in error.refused]
            if rows:
                continue
            break
        except (RefusalError, UserError) as error:
            if len(rows) == 1:
                records[places[0]] = {"index": first + places[0], "error": _error(error)}
            else:
                for place, row in zip(places, rows, strict=True):
                    (records[place],) = await _chunk(service, client, [row], first + place + 1)
            break
        for row, (place, prediction) in enumerate(zip(places, found, strict=True)):
            lease = answering.leases[answering.rows[row][1]]
            records[place] = {**record(row, prediction, answering), "made_by": service.made_by(lease)}
        break
    else:
        for place in places:
            records[place] = {"index": first + place, "error": {"message": "too much waits", "type": "overloaded"}}
    return records


def _row(line: bytes, number: int, stack: str) -> Row | RefusalError:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return InvalidError(f"line {number + 1} is no JSON")
    try:
        return input_of(value, number, stack)
    except RefusalError as refusal:
        return refusal


def _error(error: Exception) -> dict[str, str]:
    return {"message": str(error), "type": getattr(error, "kind", "failed")}
