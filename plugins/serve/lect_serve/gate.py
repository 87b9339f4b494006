"""What every request passes: is it allowed, small and quick enough; then it is counted and logged."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from starlette.exceptions import HTTPException

from lect_serve.access import Access, Client, check_host, is_loopback
from lect_serve.metrics import Metrics
from lect_serve.ndjson import is_ndjson
from lect_serve.page.router import OPEN
from lect_serve.refusals import BusyError, FailedError, RefusalError, StoppingError, TooLargeError, answer_of
from lect_serve.settings import ServeConfig
from lect_serve.telemetry import describe, span_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_LOG = logging.getLogger("lect.serve")
_SHORT = 2**16
_TICK, _MOST_LAG = 0.05, 2.0
COMPONENTS = "/v1/components"
_OPEN = frozenset({"/health", "/health/live", "/health/ready"}) | OPEN
"""What may be asked without a key, and while the server starts or stops."""


class Guarded(Protocol):
    """What stands behind a gate: it has settings, keys and a state."""

    config: ServeConfig
    access: Access
    metrics: Metrics
    state: str

    @property
    def waits(self) -> float:
        """The seconds that what is taken in now would wait before it is computed."""
        ...


class Gate:
    """ASGI middleware round the whole application."""

    def __init__(self, app: Any, service: Guarded) -> None:
        self._app, self._service = app, service
        self._open, self._lag = 0, _Lag()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        number = secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request"], state["unread"] = number, _is_long(dict(scope["headers"]))

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(b"x-request-id", number.encode())]
                if status >= 400 and state["unread"]:
                    # Nobody reads the rest of what is refused.
                    own.append((b"connection", b"close"))
                message["headers"] = [*message["headers"], *own]
            await send(message)

        self._open += 1
        with span_of(scope) as span:
            try:
                await self._let_through(scope, receive, sending)
            except Exception:
                if status:
                    raise
                _LOG.exception("request %s failed", number)
                await answer_of(scope["path"], FailedError(number))(scope, receive, sending)
            finally:
                self._open -= 1
                describe(span, self._note(scope, status, time.perf_counter() - started, number))

    async def _let_through(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        try:
            self._admit(scope)
        except RefusalError as refusal:
            await answer_of(scope["path"], refusal)(scope, receive, send)
        else:
            await self._app(scope, self._bounded(scope, receive), send)

    def _admit(self, scope: MutableMapping[str, Any]) -> None:
        """Find whose request it is. Raises `RefusalError`."""
        service, path = self._service, scope["path"]
        headers = dict(scope["headers"])
        address = (scope.get("client") or ("unknown",))[0]
        if path in _OPEN:
            scope["state"]["client"] = Client(address, False)
            return
        if service.state == "stopping":
            raise StoppingError
        if is_loopback(service.config.host) and service.access.is_open:
            check_host(headers.get(b"host", b"localhost").decode("latin-1"), service.config.hosts)
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        scope["state"]["client"] = service.access.client(authorization, address)
        limits = service.config.limits
        if self._open > limits.connections:
            raise BusyError(f"{self._open:,} requests are open", fix="try again later", retry_after=1)
        if scope["method"] == "POST" and not path.startswith(COMPONENTS) and not _is_lines(headers):
            self._check_time()
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limits.body_bytes and not _is_lines(headers):
            raise _too_large(limits.body_bytes)

    def _check_time(self) -> None:
        """Refuse a request that would wait for too long, before any work is done for it. Raises `BusyError`."""
        most, waits = self._service.config.limits.queued_seconds, self._service.waits
        if waits > most or self._lag() > min(most, _MOST_LAG):
            raise BusyError("too much waits already", fix="try again later", retry_after=max(waits, 1.0))

    def _bounded(self, scope: MutableMapping[str, Any], receive: Receive) -> Receive:
        """What gives the body, and refuses more of it, or slower, than may be."""
        limits, headers = self._service.config.limits, dict(scope["headers"])
        if _is_lines(headers):
            return receive
        taken, complete = 0, False
        until = time.monotonic() + limits.seconds

        async def bounded() -> Message:
            nonlocal taken, complete
            if complete:
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
            except (asyncio.TimeoutError, TimeoutError):
                raise HTTPException(408, "the request did not arrive in time") from None
            taken += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            scope["state"]["unread"] &= not complete
            if taken > limits.body_bytes:
                refusal = _too_large(limits.body_bytes)
                raise HTTPException(refusal.status, str(refusal))
            return message

        return bounded

    def _note(self, scope: MutableMapping[str, Any], status: int, seconds: float, number: str) -> dict[str, Any]:
        """Count and log a request; what is said of it."""
        # The route as it was registered, not as it was asked for: anyone can ask for any number of paths.
        route = getattr(scope.get("route"), "path", "other")
        metrics = self._service.metrics
        metrics.requests.labels(route, str(status or 499)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if not status:
            metrics.cancelled.inc()
        client = scope["state"].get("client")
        facts = {
            "event": "request",
            "request": number,
            "route": route,
            "method": scope["method"],
            "status": status or 499,
            "ms": round(seconds * 1000, 1),
            "client": client.name if client else None,
            **scope["state"].get("facts", {}),
        }
        if _LOG.isEnabledFor(logging.INFO):
            _LOG.info("%s", json.dumps(facts, ensure_ascii=True), extra={"facts": facts})
        return facts


def cors_of(config: ServeConfig) -> dict[str, Any]:
    """What `CORSMiddleware` is told: which pages of elsewhere may ask."""
    return {
        "allow_origins": list(config.cors_origins),
        "allow_methods": ["GET", "POST"],
        "allow_headers": ["authorization", "content-type"],
    }


class _Lag:
    """The seconds by which the event loop is late: so long does a request wait before it is looked at."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = 0.0

    def __call__(self) -> float:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop = loop
            self._tick(loop)
        return max(0.0, loop.time() - self._due)

    def _tick(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + _TICK
        loop.call_later(_TICK, self._tick, loop)


def _is_lines(headers: dict[bytes, bytes]) -> bool:
    """Whether the body is NDJSON, of which each line has a limit, and not the whole."""
    return is_ndjson(headers.get(b"content-type", b"").decode("latin-1"))


def _is_long(headers: dict[bytes, bytes]) -> bool:
    """Whether there is so much of a body, for all that is known, that it is not read where it is not wanted."""
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > _SHORT


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the request has more than {limit:,} bytes", fix="send several, or NDJSON")
