"""NDJSON, a line of JSON for each input and for each answer: its lines as they come, and answers in their order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from starlette.requests import Request

from lect_serve.refusals import TooLargeError

NDJSON = "application/x-ndjson"
Records = list[dict[str, Any]]
Waiting = asyncio.Queue[asyncio.Future[Records] | None]
"""The answers to some lines each, in order; None at the end."""


def is_ndjson(content_type: str) -> bool:
    """Whether a body of this content type is NDJSON."""
    return content_type.partition(";")[0].strip().lower() == NDJSON


async def lines_of(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The lines of a body as they come. Raises `TooLargeError`."""
    rest = b""
    async for block in request.stream():
        *whole, rest = (rest + block).split(b"\n")
        for line in whole:
            if len(line) > limit:
                raise too_long(limit)
            yield line
        if len(rest) > limit:
            raise too_long(limit)
    if rest:
        yield rest


def too_long(limit: int) -> TooLargeError:
    """The refusal of a line."""
    return TooLargeError(f"a line has more than {limit:,} bytes", fix="cut it")


async def in_order(waiting: Waiting, reading: asyncio.Future[None]) -> AsyncGenerator[bytes, None]:
    """Lines of answers, some together as they are ready; what made them stands where it is another than before.

    Args:
        waiting: the records, each of which may say ``made_by``.
        reading: fills it, and is ended with this.
    """
    last: Any = None
    try:
        while (records := await waiting.get()) is not None:
            block = b""
            for record in await records:
                made_by = record.pop("made_by", None)
                if made_by is not None and made_by != last:
                    last = record["made_by"] = made_by
                block += json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"
            yield block
        await reading
    finally:
        reading.cancel()
        while not waiting.empty():
            if (left := waiting.get_nowait()) is not None:
                left.cancel()
