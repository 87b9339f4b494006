"""One address before several replicas: it checks and counts requests, and has a replica answer each of them.

Requests of one stack go to the same replica as long as that has room, so that not every one of them loads every
component; those of the stacks that all of them have loaded from the first request on go to any. What a replica had
not begun to answer when it was lost another one answers.
"""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
from collections.abc import AsyncGenerator, Callable, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from types import SimpleNamespace
from typing import Any

from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from lect import ReplicaLostError, Replicas, UserError
from lect_serve.access import Access, Client
from lect_serve.asked import Asked, asked_of
from lect_serve.front_lines import is_lines, send_lines
from lect_serve.gate import COMPONENTS, Gate, cors_of
from lect_serve.leaving import ClientGoneError, until_gone
from lect_serve.merged import merged_components, merged_health, merged_metrics
from lect_serve.metrics import Metrics
from lect_serve.refusals import LostError, RefusalError, StartingError, TooLateError, answer_of, refusal_of
from lect_serve.replica import ADMIN
from lect_serve.settings import ServeConfig

Message = MutableMapping[str, Any]
_PAUSE = 0.1
_HEALTH_SECONDS = 5.0
_SLACK = 5.0
"""Seconds beyond a request's own, after which a replica is not waited for any more."""


def make_front(front: Front) -> Any:
    """The application of a front: with its gate, and the pages of elsewhere that may ask."""
    gate = Gate(front, front)
    return CORSMiddleware(gate, **cors_of(front.config)) if front.config.cors_origins else gate


class Front:
    """Takes requests in as a server does, and passes them to replicas.

    Args:
        open_replicas: gives a block in which there are replicas; entering it takes as long as they take to start.

    Attributes:
        state, failure, on_failure: as of `Service`.
    """

    def __init__(
        self, config: ServeConfig, access: Access, open_replicas: Callable[[], AbstractContextManager[Replicas]]
    ) -> None:
        self.config, self.access, self.metrics = config, access, Metrics()
        self.state, self.failure = "starting", ""
        self.on_failure: Callable[[], None] = lambda: None
        self._open_replicas, self._replicas = open_replicas, ExitStack()
        self._everywhere = frozenset({*config.stacks, *config.memory.pinned})
        self._routes = frozenset[str]()
        self.replicas: Replicas

    @property
    def waits(self) -> float:
        """Nothing waits here: replicas refuse what they cannot answer in time."""
        return 0.0

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        """Answer a request, or start and stop."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        if scope["type"] != "http":
            return
        if scope["path"] in self._routes:
            scope["route"] = SimpleNamespace(path=scope["path"])
        request = Request(scope, receive)
        try:
            response = await self._response(request, send)
            if response is not None:
                await response(scope, receive, send)
        except RefusalError as refusal:
            await answer_of(scope["path"], refusal)(scope, receive, send)
        except HTTPException as error:
            await answer_of(scope["path"], refusal_of(error))(scope, receive, send)
        except ClientDisconnect:
            pass

    async def messages(
        self, request: Request, client: Client, body: bytes, asked: Asked
    ) -> AsyncGenerator[Sequence[Message], None]:
        """What a replica answers, and where it is lost before it begins, another one.

        Raises:
            LostError: there is none.
            TooLateError: none answers in time.
            ReplicaLostError: the one that had begun is lost.
        """
        until = time.monotonic() + self.config.limits.seconds
        key = None if asked.stack is None or asked.stack in self._everywhere else asked.stack
        while True:
            has_begun = False
            answering = self.replicas.answer(_scope(request, client, body), body, key=key)
            try:
                # What a request waits for is its first message; a stream may take as long as it likes.
                first = await asyncio.wait_for(anext(answering, None), until - time.monotonic() + _SLACK)
                if first is None:
                    raise ReplicaLostError("it answers nothing")
                has_begun = True
                yield first
                async for messages in answering:
                    yield messages
                return
            except (asyncio.TimeoutError, TimeoutError):
                raise TooLateError from None
            except ReplicaLostError:
                if has_begun:
                    raise
                if time.monotonic() + _PAUSE > until:
                    raise LostError from None
                await asyncio.sleep(_PAUSE)
            finally:
                await answering.aclose()  # type: ignore[attr-defined]

    # -------------------------------------------------------------------------------------------------------- requests

    async def _response(self, request: Request, send: Any) -> Response | None:
        """The response, or None where it is sent already."""
        path, client = request.url.path, request.state.client
        if path == "/health/live":
            return JSONResponse({"status": "alive"})
        if path in ("/health", "/health/ready"):
            return await self._health(request, client)
        if self.state in ("starting", "failed"):
            raise StartingError
        if is_lines(request):
            await send_lines(self, request, client, send)
            return None
        if path == "/metrics":
            return Response(
                merged_metrics(self.metrics.text(), await self._all(request, client, b"")),
                media_type="text/plain; version=0.0.4; charset=utf-8",
            )
        body = await request.body()
        if path == COMPONENTS or path.startswith(f"{COMPONENTS}/"):
            return await self._components(request, client, body)
        asked = asked_of(path, request.query_params.get("stack"), body)
        self.access.spend(client, asked.texts)
        with suppress(ClientGoneError):
            await until_gone(request, self._send(request, client, body, asked, send))
        return None

    async def _send(self, request: Request, client: Client, body: bytes, asked: Asked, send: Any) -> None:
        """Send what a replica answers."""
        is_stream = False
        try:
            async for messages in self.messages(request, client, body, asked):
                for message in messages:
                    if message["type"] == "http.response.start":
                        # The gate here gives the request a number of its own.
                        message["headers"] = [each for each in message["headers"] if each[0] != b"x-request-id"]
                        is_stream = (b"content-type", b"text/event-stream; charset=utf-8") in message["headers"]
                    await send(message)
        except ReplicaLostError:
            if not is_stream:
                # The connection is closed before the answer's end.
                raise
            event = b'data: {"error": {"message": "what was answering is gone; send it again", "type": "lost"}}\n\n'
            await send({"type": "http.response.body", "body": event})

    async def _components(self, request: Request, client: Client, body: bytes) -> Response:
        """What all replicas do; a component is fetched by one of them first, since they may share a library."""
        self.access.check_admin(client)
        if request.url.path.endswith("/pull"):
            messages = [each async for few in self.messages(request, client, body, Asked()) for each in few]
            if messages[0]["status"] != 200:
                return _response_of(messages)
        return merged_components(
            {name: _response_of(each) for name, each in (await self._all(request, client, body)).items()}
        )

    async def _health(self, request: Request, client: Client) -> Response:
        answers: dict[str, Response] = {}
        state = self.state
        if state == "ready":
            try:
                found = await asyncio.wait_for(self._all(request, client, b""), _HEALTH_SECONDS)
                answers = {name: _response_of(each) for name, each in found.items()}
            except (RefusalError, asyncio.TimeoutError, TimeoutError):
                state = "lost"
        return merged_health(state, answers)

    async def _all(self, request: Request, client: Client, body: bytes) -> dict[str, Sequence[Message]]:
        try:
            return dict(await self.replicas.answer_all(_scope(request, client, body), body))
        except ReplicaLostError:
            raise LostError from None

    # ------------------------------------------------------------------------------------------------- start and stop

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        starting = asyncio.ensure_future(self._start())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.wait({starting})
        await asyncio.to_thread(self._replicas.close)
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        try:
            self.replicas = await asyncio.to_thread(self._replicas.enter_context, self._open_replicas())
            _hear_signals()
            self._routes = await self._known_routes()
        except Exception as error:
            # Nothing of what nobody foresaw is to be lost: it is what the command says at its end.
            self.state = "failed"
            self.failure = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
            self.on_failure()
            return
        if self.state == "starting":
            self.state = "ready"

    async def _known_routes(self) -> frozenset[str]:
        """The paths that there are, so that figures have no more series than these."""
        request = Request(
            {"type": "http", "method": "GET", "path": "/openapi.json", "headers": [], "query_string": b""}
        )
        answers = await self.replicas.answer_all(_scope(request, Client("front", False), b""), b"")
        return frozenset(json.loads(_response_of(next(iter(answers.values()))).body)["paths"])


def _scope(request: Request, client: Client, body: bytes) -> Message:
    """A request as a replica gets it: from the front's client, without its key."""
    given = request.scope
    dropped = (b"authorization", b"host", b"content-length", b"transfer-encoding", b"cookie")
    headers = [pair for pair in given["headers"] if pair[0] not in dropped]
    headers.append((b"content-length", str(len(body)).encode()))
    if client.is_admin:
        headers.append((b"authorization", ADMIN.encode()))
    path = given["path"]
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": given["method"],
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": given["query_string"],
        "headers": headers,
        "client": (client.name, 0),
        "server": ("127.0.0.1", 0),
    }


def _response_of(messages: Sequence[Message]) -> Response:
    start, body = messages[0], b"".join(each.get("body", b"") for each in messages[1:])
    response = Response(body, start["status"])
    response.raw_headers = [pair for pair in start["headers"] if pair[0] != b"x-request-id"]
    return response


def _hear_signals() -> None:
    """Give signals back to whom they went before: a cluster's client takes them for itself."""
    if threading.current_thread() is threading.main_thread():
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.getsignal(each))
