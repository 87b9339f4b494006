"""Why a request is refused: each with the HTTP status that says so, and what the client can do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

_OF_TEI = frozenset({"/embed", "/predict", "/rerank", "/similarity", "/tokenize", "/info"})
_TEI_TYPES = {
    "too_large": "validation", "overloaded": "overloaded", "rate_limited": "overloaded", "starting": "unhealthy",
    "stopping": "unhealthy", "failed": "backend", "invalid_request": "validation",
}  # fmt: skip


class RefusalError(Exception):
    """A request that is not answered.

    Args:
        what: what is wrong, a clause.
        fix: what to do about it.
        retry_after: seconds after which it may be tried again; None where that would not help.

    Attributes:
        status: of the HTTP response.
        kind: what programs tell refusals by.
    """

    status = 400
    kind = "invalid_request"

    def __init__(self, what: str, *, fix: str | None = None, retry_after: float | None = None) -> None:
        self.what, self.fix = what, fix
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))
        super().__init__(f"{what}; {fix}" if fix else what)


class InvalidError(RefusalError):
    """What was sent cannot be meant."""

    status, kind = 422, "invalid_request"


class UnclearError(InvalidError):
    """No stack can be chosen for some rows.

    Attributes:
        refused: why, by the rows' numbers from 0.
    """

    def __init__(self, refused: Mapping[int, InvalidError]) -> None:
        first = refused[min(refused)]
        super().__init__(first.what, fix=first.fix)
        self.refused = refused


class UnknownError(RefusalError):
    """A component, index or model that is not there."""

    status, kind = 404, "not_found"


class TooLargeError(RefusalError):
    """More than one request may hold."""

    status, kind = 413, "too_large"


class UnauthorizedError(RefusalError):
    """No key, or none that is known."""

    status, kind = 401, "unauthorized"


class ForbiddenError(RefusalError):
    """A key that may not do this."""

    status, kind = 403, "forbidden"


class BusyError(RefusalError):
    """More at once than can be."""

    status, kind = 429, "overloaded"


class OverloadedError(BusyError):
    """So much waits that no more is taken in."""

    def __init__(self, waiting: int, seconds: float) -> None:
        super().__init__(f"{waiting:,} rows wait already", fix="try again later", retry_after=seconds)


class RateError(RefusalError):
    """More than a key may ask for in a minute."""

    status, kind = 429, "rate_limited"


class StoppingError(RefusalError):
    """The server stops."""

    status, kind = 503, "stopping"

    def __init__(self) -> None:
        super().__init__("the server is stopping", fix="ask another one", retry_after=5)


class StartingError(RefusalError):
    """The server loads its model."""

    status, kind = 503, "starting"

    def __init__(self) -> None:
        super().__init__("the server is still loading its model", fix="try again in a moment", retry_after=2)


class FullMemoryError(RefusalError):
    """The components in use fill the memory that components may take."""

    status, kind = 503, "memory_full"


class TooLateError(RefusalError):
    """A request that waited for longer than it may."""

    status, kind = 504, "deadline"

    def __init__(self) -> None:
        super().__init__("it was not answered in time", fix="send fewer rows, or try again later", retry_after=1)


class FailedError(RefusalError):
    """Something that nobody foresaw: the log says what."""

    status, kind = 500, "failed"

    def __init__(self, request: str) -> None:
        super().__init__("something went wrong here", fix=f"tell whoever runs this: request {request}")


class LostError(RefusalError):
    """What was to answer is gone, and nothing has taken its place yet."""

    status, kind = 503, "lost"

    def __init__(self) -> None:
        super().__init__("what was to answer is gone", fix="try again in a moment", retry_after=2)


def answer_of(path: str, refusal: RefusalError) -> Response:
    """The response of a refusal: as TEI has it for its routes, as OpenAI has it for all others."""
    headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    if refusal.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(body_of(path, refusal), status_code=refusal.status, headers=headers)


def body_of(path: str, refusal: RefusalError) -> dict[str, Any]:
    """The body of a refusal."""
    # What was sent may hold halves of characters, and is quoted.
    message = str(refusal).encode("utf-8", "backslashreplace").decode()
    if path in _OF_TEI:
        return {"error": message, "error_type": _TEI_TYPES.get(refusal.kind, "validation")}
    return {"error": {"message": message, "type": refusal.kind, "code": refusal.status, "param": None}}


def refusal_of(error: HTTPException) -> RefusalError:
    """What starlette refuses, as a refusal."""
    refusal = RefusalError(str(error.detail))
    refusal.status = error.status_code
    refusal.kind = {404: "not_found", 405: "not_allowed", 413: "too_large"}.get(error.status_code, "invalid_request")
    return refusal
