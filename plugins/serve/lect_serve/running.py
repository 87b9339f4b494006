"""Runs the application in uvicorn, until it is told to stop; what is being answered then is answered."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import math
import socket
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

import uvicorn

from lect import UserError
from lect.cli import echo, note
from lect_serve.gate import Guarded
from lect_serve.protocol import protocol_of


class Served(Guarded, Protocol):
    """What is run: it says where it could not start, and why."""

    failure: str
    on_failure: Callable[[], None]


class Server(uvicorn.Server):
    """Uvicorn, which refuses new requests from the moment that it is to stop."""

    def __init__(self, config: uvicorn.Config, service: Served) -> None:
        super().__init__(config)
        self._service = service

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop, and end well; at a second signal stop at once."""
        self._service.state = "stopping"
        self.force_exit = self.should_exit
        self.should_exit = True


def run(service: Served, app: Any, *, log: bool = False) -> None:
    """Serve an application until Ctrl-C or SIGTERM. Raises `UserError` where the address cannot be listened on."""
    config = service.config
    bound = listen(config.host, config.port)
    _allow_many_files()
    _set_up_log(requests=log)
    place = f"[{config.host}]" if ":" in config.host else config.host
    port = bound.getsockname()[1]
    echo(f"http://{place}:{port}/  serves {', '.join(config.stacks) or 'the bare backbone'}")
    note(f"try: curl http://{place}:{port}/health")
    server = server_of(service, app)

    def give_up() -> None:
        server.should_exit = True

    service.on_failure = give_up
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[bound])
    if service.state == "failed":
        raise UserError(service.failure)


def server_of(service: Served, app: Any) -> Server:
    """A server for a service and its application, to be run with a bound socket."""
    settings = uvicorn.Config(
        app,
        http=protocol_of(service.config.limits.seconds),
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=4096,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, math.ceil(service.config.drain_seconds)),
    )
    return Server(settings, service)


def freeze_what_is_loaded() -> None:
    """Have the garbage collector never again look at what is loaded now, for a process that serves until it ends.

    Model and libraries are half a million objects: every full collection holds up all requests for a quarter of a second.
    """
    gc.collect()
    gc.freeze()


def listen(host: str, port: int) -> socket.socket:
    """A socket that is bound. Raises `UserError`."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        raise UserError(
            f"cannot be listened on ({(error.strerror or str(error)).lower()})",
            where=f"{host}:{port}",
            fix="choose another --host or --port",
        ) from error
    return bound


class _Lines(logging.Formatter):
    """A log as lines of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        facts: dict[str, Any] = getattr(record, "facts", None) or {"event": "message", "message": record.getMessage()}
        if record.exc_info:
            facts = {**facts, "trace": self.formatException(record.exc_info)}
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        return json.dumps({"at": at, "level": record.levelname.lower(), **facts}, ensure_ascii=True)


def _set_up_log(*, requests: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines())
    # What is no HTTP is a warning of uvicorn's, and anyone can send it.
    for name, level in (
        ("lect.serve", logging.INFO if requests else logging.WARNING),
        ("uvicorn.error", logging.ERROR),
    ):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(level)


def _allow_many_files() -> None:
    """Every connection is an open file."""
    try:
        import resource
    except ImportError:  # pragma: no cover - Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65_536)), hard))
