"""A model on a server (`lect serve`), used as one in this process is."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import repeat
from types import MappingProxyType
from typing import Any, TypeVar, overload
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from lect.api.opened import StackLike, Stacks
from lect.api.results import Predictions
from lect.api.rows import Row, Rows, Single, Table, examples_of, is_single, is_stream
from lect.api.stacks import Composition
from lect.composition.batching import stretches
from lect.composition.stack import Stack
from lect.data.examples import Example
from lect.errors import ComponentError, DataError, UserError
from lect.heads import Prediction

_AT_ONCE = 256
"""So many rows are sent together, and answered together."""
_AT_ONCE_AS_LINES = 4096
"""So many are sent as lines, which are answered as they come."""
_SENT_AT_ONCE = 2**16
_PAUSE = 0.5
_LATER = (429, 503)
"""What a server answers where it would at another time; it says when."""
_LATER_KINDS = frozenset({"overloaded", "rate_limited", "lost", "starting", "stopping", "memory_full", "deadline"})
"""The same, of a line."""
_KINDS: dict[int | str, type[UserError]] = {
    404: ComponentError, "not_found": ComponentError, 422: DataError, "invalid_request": DataError, 413: DataError,
    "too_large": DataError,
}  # fmt: skip
Sent = tuple[Example, str | None]
T = TypeVar("T")


class Client:
    """Asks a server for predictions and vectors, by the same calls as `Model`.

    Several threads may use it at once, each of which has a connection meanwhile. Many rows are sent as lines (NDJSON),
    which the server answers while it reads further ones; what a lost connection leaves unanswered is sent again.

    Args:
        url: such as ``http://localhost:8080``.
        key: a bearer key, where the server wants one.
        stack: that rows go through where no other is named; by default the server's own.
        patience: for so many seconds a request is sent again where the server is busy, starts, or cannot be reached.
        timeout: seconds without a byte of the answer, after which a request is given up.

    Attributes:
        made_by: of each stack that was asked, what the server said last of the backbone and the components, with
            their versions and digests.

    Raises:
        UserError: the URL is none of HTTP.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        stack: StackLike | None = None,
        patience: float = 30,
        timeout: float = 120,
    ) -> None:
        place = urlsplit(url if "://" in url else f"http://{url}")
        if place.scheme not in ("http", "https") or not place.hostname:
            raise UserError(f'"{url}" is no address of a server', fix='write it as "http://localhost:8080"')
        self.url, self.made_by = url.rstrip("/"), dict[str, Any]()
        self._stack = None if stack is None else str(stack)
        self._patience = patience
        self._place, self._timeout = place, timeout
        self._idle: list[HTTPConnection] = []
        self._prefix = place.path.rstrip("/")
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if key is not None:
            self._headers["authorization"] = f"Bearer {key}"
        self._lock = threading.Lock()

    @overload
    def predict(self, rows: Single, *, stacks: Stacks = None, **columns: str) -> Prediction: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, rows: Table, *, stacks: Stacks = None, **columns: str) -> Predictions: ...  # type: ignore[overload-overlap]
    @overload
    def predict(self, rows: Iterable[Row], *, stacks: Stacks = None, **columns: str) -> Iterator[Prediction]: ...

    def predict(
        self, rows: Rows, *, stacks: Stacks = None, **columns: str
    ) -> Prediction | Predictions | Iterator[Prediction]:
        """What the head of each row's stack predicts. Arguments and results as of `Model.predict`.

        Raises:
            DataError: a row is none, or there are none.
            ComponentError: the server has no component of a name.
            UserError: the server refuses the request, or cannot be reached.
        """
        sent = self._sent(rows, stacks, columns)
        together = stretches(sent, _AT_ONCE_AS_LINES)
        found = (prediction for stretch in together for prediction in self._predicted(stretch))
        if is_single(rows):
            return next(found)
        if is_stream(rows):
            return found
        return Predictions(found, [example for example, _ in sent])

    @overload
    def embed(  # type: ignore[overload-overlap]
        self, rows: Single | Table, *, stacks: Stacks = None, normalize: bool = False, **columns: str
    ) -> NDArray[np.float32]: ...
    @overload
    def embed(
        self, rows: Iterable[Row], *, stacks: Stacks = None, normalize: bool = False, **columns: str
    ) -> Iterator[NDArray[np.float32]]: ...

    def embed(
        self, rows: Rows, *, stacks: Stacks = None, normalize: bool = False, **columns: str
    ) -> NDArray[np.float32] | Iterator[NDArray[np.float32]]:
        """The sentence vectors of texts. Arguments and results as of `Model.embed`, and errors as of `predict`."""
        sent = self._sent(rows, stacks, columns)
        found = (vector for stretch in stretches(sent, _AT_ONCE) for vector in self._embedded(stretch, normalize))
        if is_single(rows):
            return next(found)
        return found if is_stream(rows) else np.stack(list(found))

    def models(self) -> list[str]:
        """The components of the server, and the stacks that it was started with."""
        return [each["id"] for each in self._asked("GET", "/v1/models")["data"]]

    def close(self) -> None:
        """Close the connections; another call opens one again."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lect.Client {self.url}{f': {self._stack}' if self._stack else ''}>"

    # ------------------------------------------------------------------------------------------------------- the rows

    def _sent(self, rows: Rows, stacks: Stacks, columns: dict[str, str]) -> Any:
        """The rows, each with its stack; of an iterator an iterator."""
        examples = examples_of(rows, columns)
        if stacks is None or isinstance(stacks, str | Composition | Stack):
            named: Iterator[str | None] = repeat(self._stack if stacks is None else str(stacks))
            paired: Iterator[Sent] = zip(examples, named, strict=False)
        else:
            paired = zip(examples, map(str, stacks), strict=not is_stream(stacks))
        if is_stream(rows):
            return paired
        try:
            sent = list(paired)
        except ValueError:
            raise DataError("there are not as many stacks as rows", fix="give one stack for each row") from None
        if not sent:
            raise DataError("no rows are given", fix='give some, such as ["a text"]')
        return sent

    def _predicted(self, rows: Sequence[Sent]) -> Iterator[Prediction]:
        if len(rows) > _AT_ONCE:
            yield from self._predicted_as_lines(rows)
            return
        answers = self._asked_in_parts(rows, lambda part: ("/v1/predict", {"inputs": [_input(*row) for row in part]}))
        for answer in answers:
            self.made_by.update(answer["made_by"])
            yield from map(_prediction, answer["results"])

    def _predicted_as_lines(self, rows: Sequence[Sent]) -> Iterator[Prediction]:
        """The predictions as they come; what is left where the server is busy or lost is sent again."""
        answered, until = 0, time.monotonic() + self._patience
        while answered < len(rows):
            left, problem = rows[answered:], UserError("the answer is not whole", where=self.url)
            try:
                for record in self._lines("/v1/predict/lines", [_input(*row) for row in left]):
                    if "error" in record:
                        kind, message = record["error"]["type"], record["error"]["message"]
                        problem = _KINDS.get(kind, UserError)(message, where=f"{self.url}, {rows[answered][0].origin}")
                        if kind not in _LATER_KINDS:
                            raise problem
                        break
                    if "made_by" in record:
                        made_by = record.pop("made_by")
                    self.made_by[record["stack"]] = made_by
                    answered += 1
                    until = time.monotonic() + self._patience
                    yield _prediction(record)
            except (OSError, HTTPException, ValueError) as error:
                problem = self._unreachable(error)
            if answered < len(rows):
                if time.monotonic() + _PAUSE > until:
                    raise problem
                time.sleep(_PAUSE)

    def _embedded(self, rows: Sequence[Sent], normalize: bool) -> list[NDArray[np.float32]]:
        found: dict[int, NDArray[np.float32]] = {}
        alike: dict[tuple[str | None, str | None], list[int]] = {}
        for place, (example, stack) in enumerate(rows):
            alike.setdefault((stack, example.language), []).append(place)
        for (stack, language), places in alike.items():
            given = {"stack": stack, "language": language}
            named = {name: value for name, value in given.items() if value is not None}
            texts = [rows[place][0].text for place in places]
            request = partial(_embed_request, {"normalize": normalize, "truncate": True, **named})
            vectors = [vector for answer in self._asked_in_parts(texts, request) for vector in answer]
            found |= zip(places, np.array(vectors, dtype=np.float32), strict=True)
        return [found[place] for place in range(len(rows))]

    # ------------------------------------------------------------------------------------------------------ the server

    def _asked_in_parts(
        self, rows: Sequence[T], request: Callable[[Sequence[T]], tuple[str, Mapping[str, Any]]]
    ) -> Iterator[Any]:
        """The answers to a request for some rows; one that is too large is sent as two."""
        path, body = request(rows)
        try:
            yield self._asked("POST", path, body)
        except DataError as error:
            if len(rows) == 1 or not isinstance(error.__cause__, _TooLargeError):
                raise
            middle = len(rows) // 2
            yield from self._asked_in_parts(rows[:middle], request)
            yield from self._asked_in_parts(rows[middle:], request)

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to a request. Raises `UserError`."""
        content = None if body is None else json.dumps(body).encode()
        until = time.monotonic() + self._patience
        while True:
            try:
                with self._sent_once(method, path, content) as response:
                    answer = response.read()
            except (OSError, HTTPException) as error:
                if time.monotonic() > until or isinstance(error, _FINAL):
                    raise self._unreachable(error) from error
                time.sleep(min(_PAUSE, max(0.0, until - time.monotonic()) + 0.01))
                continue
            if response.status == 200:
                return json.loads(answer)
            pause = _pause(response.headers.get("retry-after"))
            if response.status not in _LATER or time.monotonic() + pause > until:
                cause = _TooLargeError() if response.status == 413 else None
                raise _error(response.status, answer, self.url) from cause
            time.sleep(pause)

    def _lines(self, path: str, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """What is answered to each of some lines, while others are still being sent. Raises as `_asked`."""
        content = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        with self._sent_once("POST", path, content, {"content-type": "application/x-ndjson"}) as response:
            if response.status in _LATER:
                message = _error(response.status, response.read(), self.url).what
                yield {"error": {"message": message, "type": "overloaded"}}
                return
            if response.status != 200:
                raise _error(response.status, response.read(), self.url)
            for line in response:
                yield json.loads(line)

    @contextmanager
    def _sent_once(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str] = MappingProxyType({})
    ) -> Iterator[HTTPResponse]:
        """A block with the response to a request, whose body is sent while the response is read."""
        connection, response = self._begun(method, path, content, {**self._headers, **headers})
        try:
            yield response
        except BaseException:
            connection.close()
            raise
        if response.isclosed() and not response.will_close:
            with self._lock:
                self._idle.append(connection)
        else:
            # What was not read of the answer would be taken for the next one.
            connection.close()

    def _begun(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> tuple[HTTPConnection, HTTPResponse]:
        """A connection and the response that begins on it."""
        while True:
            with self._lock:
                kept = self._idle.pop() if self._idle else None
            kind = HTTPSConnection if self._place.scheme == "https" else HTTPConnection
            connection = kept or kind(self._place.hostname or "", self._place.port, timeout=self._timeout)
            try:
                return connection, _send(connection, method, self._prefix + path, content, headers)
            except (OSError, HTTPException) as error:
                connection.close()
                # A server closes connections that nothing came through for a while.
                if kept is None or isinstance(error, TimeoutError):
                    raise

    def _unreachable(self, error: Exception) -> UserError:
        if isinstance(error, TimeoutError):
            return UserError(
                f"the server does not answer within {self._timeout:g} seconds",
                where=self.url,
                fix="send fewer rows, or give more with timeout=…",
            )
        reason = str(error) or type(error).__name__
        fix = None if isinstance(error, ssl.SSLError) else "start it: lect serve"
        return UserError(f"the server cannot be reached ({reason.lower()})", where=self.url, fix=fix)


class _TooLargeError(Exception):
    """Why a request is refused that can be sent in parts."""


_FINAL = (ssl.SSLError, TimeoutError)
"""What is no better at another time."""


def _send(
    connection: HTTPConnection, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
) -> HTTPResponse:
    """Send a request; the response begins while a long body is still being sent."""
    if content is None or len(content) <= _SENT_AT_ONCE:
        connection.request(method, path, content, dict(headers))
        return connection.getresponse()
    connection.putrequest(method, path)
    for name, value in {**headers, "content-length": str(len(content))}.items():
        connection.putheader(name, value)
    connection.endheaders()

    def send() -> None:
        # Whoever reads the response hears of a connection that is lost.
        with suppress(OSError, HTTPException):
            for start in range(0, len(content), _SENT_AT_ONCE):
                connection.send(content[start : start + _SENT_AT_ONCE])

    sending = threading.Thread(target=send, daemon=True)
    sending.start()
    return connection.getresponse()


def _pause(retry_after: str | None) -> float:
    """The seconds until a server wants to be asked again: it says how many, or when."""
    try:
        return max(0.0, float(retry_after or 1))
    except ValueError:
        with suppress(ValueError, TypeError):
            return max(0.0, parsedate_to_datetime(retry_after or "").timestamp() - time.time())
        return 1.0


def _embed_request(asked: Mapping[str, Any], texts: Sequence[str]) -> tuple[str, dict[str, Any]]:
    return "/embed", {"inputs": list(texts), **asked}


def _input(example: Example, stack: str | None) -> dict[str, Any]:
    given = {
        "text": example.text,
        "pair": example.text_pair,
        "question": example.question,
        "choices": None if example.choices is None else list(example.choices),
        "stack": stack,
        "language": example.language,
    }
    return {name: value for name, value in given.items() if value is not None}


_KNOWN = frozenset({"index", "stack", "text", "text_pair", "question", "choices", "answer", "score", "scores"})


def _prediction(found: Mapping[str, Any]) -> Prediction:
    more = {name: value for name, value in found.items() if name not in _KNOWN}
    return Prediction(found["answer"], found["score"], found["scores"], record=more)


def _error(status: int, answer: bytes, url: str) -> UserError:
    """What a server's refusal means here."""
    try:
        error = json.loads(answer)["error"]
        message = error["message"] if isinstance(error, dict) else str(error)
    except (ValueError, KeyError, TypeError):
        message = f"it answers with status {status}"
    fix = 'give it: Client(url, key="…")' if status == 401 else None
    return _KINDS.get(status, UserError)(message.partition("; send the header")[0], where=url, fix=fix)
