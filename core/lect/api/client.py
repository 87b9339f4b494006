"""A model on a server (`lect serve`), used as one in this process is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from itertools import repeat
from typing import Any, overload
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
"""So many rows are sent together."""
_LATER = (429, 503)
"""What a server answers where it would at another time; it says when."""
Sent = tuple[Example, str | None]


class Client:
    """Asks a server for predictions and vectors, by the same calls as `Model`; it may be used by several threads.

    Args:
        url: such as ``http://localhost:8080``.
        key: a bearer key, where the server wants one.
        stack: that rows go through where no other is named; by default the server's own.
        patience: for so many seconds a request is sent again where the server is busy, starts, or cannot be reached.
        timeout: seconds after which a request is given up.

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
        kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
        self._connection = kind(place.hostname, place.port, timeout=timeout)
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
        found = (prediction for stretch in stretches(sent, _AT_ONCE) for prediction in self._predicted(stretch))
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
        """Close the connection; another call opens it again."""
        with self._lock:
            self._connection.close()

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

    def _predicted(self, rows: Sequence[Sent]) -> list[Prediction]:
        answer = self._asked("POST", "/v1/predict", {"inputs": [_input(*row) for row in rows]})
        self.made_by.update(answer["made_by"])
        return [_prediction(found) for found in answer["results"]]

    def _embedded(self, rows: Sequence[Sent], normalize: bool) -> list[NDArray[np.float32]]:
        found: dict[int, NDArray[np.float32]] = {}
        alike: dict[tuple[str | None, str | None], list[int]] = {}
        for place, (example, stack) in enumerate(rows):
            alike.setdefault((stack, example.language), []).append(place)
        for (stack, language), places in alike.items():
            given = {"stack": stack, "language": language}
            named = {name: value for name, value in given.items() if value is not None}
            texts = [rows[place][0].text for place in places]
            answer = self._asked("POST", "/embed", {"inputs": texts, "normalize": normalize, "truncate": True, **named})
            found |= zip(places, np.array(answer, dtype=np.float32), strict=True)
        return [found[place] for place in range(len(rows))]

    # ------------------------------------------------------------------------------------------------------ the server

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer to a request. Raises `UserError`."""
        content = None if body is None else json.dumps(body).encode()
        until = time.monotonic() + self._patience
        while True:
            try:
                with self._lock:
                    response, answer = self._sent_once(method, path, content)
            except (OSError, HTTPException) as error:
                if time.monotonic() > until:
                    reason = str(error) or type(error).__name__
                    raise UserError(
                        f"the server cannot be reached ({reason.lower()})", where=self.url, fix="start it: lect serve"
                    ) from error
                time.sleep(min(1.0, max(0.0, until - time.monotonic()) + 0.01))
                continue
            if response.status == 200:
                return json.loads(answer)
            pause = float(response.headers.get("retry-after") or 1)
            if response.status not in _LATER or time.monotonic() + pause > until:
                raise _error(response.status, answer, self.url)
            time.sleep(pause)

    def _sent_once(self, method: str, path: str, content: bytes | None) -> tuple[HTTPResponse, bytes]:
        try:
            self._connection.request(method, self._prefix + path, content, self._headers)
            response = self._connection.getresponse()
            return response, response.read()
        except (OSError, HTTPException):
            # A server closes connections that nothing came through for a while.
            self._connection.close()
            raise


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
    kind = {404: ComponentError, 422: DataError}.get(status, UserError)
    return kind(message, where=url)
