"""The application: its routes, those of plugins, and how what is refused is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from lect import RouteSpec, UserError, __version__
from lect_serve.gate import Gate, cors_of
from lect_serve.leaving import ClientGoneError
from lect_serve.page import router as page
from lect_serve.refusals import InvalidError, RefusalError, answer_of, refusal_of
from lect_serve.routes import admin, explain, lines, openai, operations, predict, search, tei
from lect_serve.service import Service

_LOG = logging.getLogger("lect.serve")


def make_app(service: Service) -> FastAPI:
    """The application of a service, which is started with it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # The server answers while it loads: that it is not ready yet.
        starting = asyncio.ensure_future(service.start())
        starting.add_done_callback(_report)
        try:
            yield
        finally:
            await asyncio.wait({starting})
            await service.stop()

    # No pages of FastAPI: they fetch scripts from elsewhere.
    app = FastAPI(title="lect", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.service = service
    for module in (predict, lines, openai, tei, explain, search, admin, operations, page):
        app.include_router(module.router)
    for provided in service.host.specs(RouteSpec).values():
        with service.host.attributed(provided) as spec:
            app.include_router(spec.load())
    app.add_exception_handler(RefusalError, _refused)
    app.add_exception_handler(UserError, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _by_starlette)
    app.add_exception_handler(ClientGoneError, _gone)
    app.add_middleware(Gate, service=service)  # type: ignore[arg-type]
    if service.config.cors_origins:
        app.add_middleware(CORSMiddleware, **cors_of(service.config))
    return app


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusalError)
    return answer_of(request.url.path, error)


async def _failed(request: Request, error: Exception) -> Response:
    # Not where: places of files are nobody's business.
    assert isinstance(error, UserError)
    return answer_of(request.url.path, InvalidError(error.what))


async def _invalid(request: Request, error: Exception) -> Response:
    """What of the body is wrong, without the body."""
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(step) for step in first["loc"] if step != "body")
    what = str(first["msg"])
    if first["type"] == "json_invalid":
        why = str(first.get("ctx", {}).get("error", "")).lower()
        return answer_of(request.url.path, InvalidError(f"the body is no JSON: {why} at character {place}"))
    return answer_of(request.url.path, InvalidError(f"{place}: {what}" if place else what))


async def _by_starlette(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer_of(request.url.path, refusal_of(error))


async def _gone(_request: Request, _error: Exception) -> Response:
    # Nobody reads it.
    return Response(status_code=499)


def _report(starting: asyncio.Future[None]) -> None:
    error = None if starting.cancelled() else starting.exception()
    if error is not None and not isinstance(error, (UserError, RefusalError)):
        _LOG.error("the model cannot be loaded", exc_info=error)
