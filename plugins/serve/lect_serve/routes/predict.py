"""`POST /v1/predict`: what stacks predict for texts, pairs and questions; at once, or as it is ready."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from lect import Example, UserError
from lect.serving import record_of_prediction
from lect_serve.access import Client
from lect_serve.automatic import Row
from lect_serve.leaving import gone, until_gone
from lect_serve.refusals import InvalidError, RefusalError
from lect_serve.routes.common import (
    Asked,
    ClientOf,
    ServiceOf,
    StackName,
    Streamed,
    Tag,
    example_of,
    note,
)
from lect_serve.service import Answering, Service

router = APIRouter(tags=["lect"])


class Input(Asked):
    """A row.

    Args:
        pair: a second text, for tasks over pairs.
        question: what is asked of the text; of choices, cause or effect.
        stack: this row's own.
        language: of the text, which is identified otherwise where a component is chosen by it.
    """

    text: str
    pair: str | None = None
    question: str | None = None
    choices: list[str] | None = None
    stack: StackName | None = None
    language: Tag | None = None


class PredictRequest(Asked):
    """What is asked for.

    Args:
        inputs: texts, pairs of texts, or objects.
        stack: one for all rows, or one for each; the server's first by default.
        stacks: several, each of which answers for every row.
        stream: whether answers come as server-sent events, each when it is ready.
    """

    inputs: str | list[str | tuple[str, str] | Input]
    stack: StackName | list[StackName] | None = None
    stacks: list[StackName] | None = Field(None, min_length=1, max_length=64)
    stream: bool = False


@router.post("/v1/predict")
async def predict(asked: PredictRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The prediction of each row's stack, with its probabilities and the very components that made it.

    With `stream`, or `Accept: text/event-stream`, each answer is an event as soon as it is ready, with the number of
    its row; the last event is `[DONE]`.
    """
    rows = rows_of(asked, service.default_stack)
    _check_heads(service, rows)
    if asked.stream or "text/event-stream" in request.headers.get("accept", ""):
        return await _streamed(request, service, client, rows)
    found, answering = await until_gone(request, service.answers(client, rows))
    note(request, answering, [example.text for example, _ in rows])
    results = [
        record(place, prediction, answering) for place, prediction in enumerate(found)
    ]  # fmt: skip
    return JSONResponse(
        {
            "results": results,
            "made_by": {text: service.made_by(lease) for text, lease in answering.leases.items()},
            "usage": {"tokens": answering.tokens},
        }
    )


def rows_of(asked: PredictRequest, default: str) -> list[Row]:
    """The rows of a request, each with its stack. Raises `InvalidError`."""
    inputs = [asked.inputs] if isinstance(asked.inputs, str) else asked.inputs
    examples = [_example(number, each) for number, each in enumerate(inputs)]
    own = [each.stack if isinstance(each, Input) else None for each in inputs]
    if asked.stacks is not None:
        if asked.stack is not None or any(own):
            raise InvalidError("both stack and stacks are given", fix="give one of them")
        return [(example, stack) for example in examples for stack in asked.stacks]
    if isinstance(asked.stack, list):
        if len(asked.stack) != len(inputs):
            raise InvalidError(f"there are {len(asked.stack)} stacks for {len(inputs)} inputs", fix="give one for each")
        return list(zip(examples, asked.stack, strict=True))
    general = default if asked.stack is None else asked.stack
    return [(example, stack or general) for example, stack in zip(examples, own, strict=True)]


def record(place: int, prediction: Any, answering: Answering) -> dict[str, Any]:
    """What a client gets for one row; where its stack was chosen, which and why."""
    (example, stack), choice = answering.rows[place], answering.choices[place]
    if choice is not None:
        prediction = choice.beside(prediction)
    number = int(example.origin.rpartition(" ")[2]) - 1
    truncated = {"truncated": True} if place in answering.truncated else {}
    return {"index": number, "stack": stack, **record_of_prediction(example, prediction), **truncated}


def input_of(value: Any, number: int, default: str) -> Row:
    """A row of a line of NDJSON. Raises `InvalidError`."""
    try:
        read = Input.model_validate({"text": value} if isinstance(value, str) else value)
    except ValueError as error:
        raise InvalidError(f"line {number + 1} is no input: {_first(error)}") from None
    return _example(number, read), default if read.stack is None else read.stack


async def _streamed(request: Request, service: Service, client: Client, rows: list[Row]) -> Response:
    """Answers as events; what is refused before the first one is refused as elsewhere."""
    block = service.answering(client, rows)
    answering = await until_gone(request, block.__aenter__())  # type: ignore[arg-type]
    note(request, answering, [example.text for example, _ in rows])

    async def events() -> AsyncGenerator[str, None]:
        try:
            made_by = {text: service.made_by(lease) for text, lease in answering.leases.items()}
            yield _event({"made_by": made_by, "rows": len(rows), "usage": {"tokens": answering.tokens}})
            async for place, prediction in answering.job.ready():
                yield _event(record(place, prediction, answering))
            yield "data: [DONE]\n\n"
        except (RefusalError, UserError) as error:
            yield _event({"error": {"message": str(error), "type": getattr(error, "kind", "failed")}})
        finally:
            await block.__aexit__(None, None, None)

    return Streamed(events(), "text/event-stream", gone(request))


def _event(values: Mapping[str, Any]) -> str:
    return f"data: {json.dumps(values, ensure_ascii=False, allow_nan=False)}\n\n"


def _check_heads(service: Service, rows: list[Row]) -> None:
    """Refuse the bare backbone, which predicts nothing, before anything is loaded."""
    if any(not stack.strip() for _, stack in rows):
        raise InvalidError(
            "no stack is named, and the bare backbone predicts nothing", fix="name one that ends in a task"
        )


def _example(number: int, given: str | tuple[str, str] | Input) -> Example:
    if isinstance(given, str):
        return example_of(number, given)
    if isinstance(given, Input):
        choices = tuple(given.choices) if given.choices else None
        return example_of(
            number, given.text, given.pair, question=given.question, choices=choices, language=given.language
        )
    return example_of(number, *given)


def _first(error: Exception) -> str:
    errors = getattr(error, "errors", None)
    if errors is None:
        return str(error)
    first = errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])
