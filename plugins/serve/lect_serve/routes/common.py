"""What several routes share: who asks, what was asked for, and what happens when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.types import Receive, Scope, Send

from lect import Example
from lect_serve.access import Client
from lect_serve.service import Answering, Service

T = TypeVar("T")
Tag = Annotated[str, StringConstraints(min_length=1, max_length=100)]
"""The language of a text, where whoever asks knows it: ``lang:auto`` takes the component for it."""
StackName = Annotated[str, StringConstraints(max_length=1000)]


class Asked(BaseModel):
    """A request's body: fields that are not known are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class AskedAsElsewhere(BaseModel):
    """A request's body in the shape of another server, whose further fields mean nothing here."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


# Coroutines, though they wait for nothing: functions would be run in threads of their own.
async def _service(request: Request) -> Service:
    found: Service = request.app.state.service
    return found


async def _client(request: Request) -> Client:
    found: Client = request.state.client
    return found


ServiceOf = Annotated[Service, Depends(_service)]
ClientOf = Annotated[Client, Depends(_client)]


def note(request: Request, answering: Answering, texts: list[str] | None = None) -> None:
    """Say in the log how much was asked for, and, where that is wanted, what."""
    facts = {"rows": answering.job.rows, "tokens": answering.tokens, "stacks": sorted(answering.leases)[:8]}
    if texts is not None and request.app.state.service.config.log_texts:
        facts["texts"] = texts
    request.state.facts = facts


def example_of(number: int, text: str, pair: str | None = None, **given: Any) -> Example:
    """A row of a request."""
    return Example(text, text_pair=pair, origin=f"text {number + 1}", **given)


class Streamed(StreamingResponse):
    """A response that is sent as it is made, and made no further where the client leaves.

    Args:
        leaving: returns when the client has left; unlike starlette's own, it may begin when the body has been read.
    """

    def __init__(self, content: AsyncGenerator[Any, None], media_type: str, leaving: Coroutine[Any, Any, None]) -> None:
        super().__init__(content, media_type=media_type, headers={"cache-control": "no-store"})
        self._content, self._leaving = content, leaving

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        writing, leaving = asyncio.ensure_future(self.stream_response(send)), asyncio.ensure_future(self._leaving)
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if writing.done():
                writing.result()
        finally:
            leaving.cancel()
            writing.cancel()
            await asyncio.wait({writing, leaving})
            await self._content.aclose()
