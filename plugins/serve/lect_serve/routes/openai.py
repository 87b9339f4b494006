"""`/v1/embeddings` and `/v1/models` as OpenAI has them: the model is a stack."""

from __future__ import annotations

import base64
import time
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from lect_serve.automatic import AUTO
from lect_serve.leaving import until_gone
from lect_serve.refusals import InvalidError
from lect_serve.routes.common import AskedAsElsewhere, ClientOf, ServiceOf, StackName, Tag, example_of, note

router = APIRouter(tags=["OpenAI"])
BARE = "bare"
"""What the backbone without components is called as a model, since that name may not be empty."""


class EmbeddingsRequest(AskedAsElsewhere):
    """What OpenAI's clients send.

    Args:
        model: a stack, such as ``lang:jav``; ``bare`` for the backbone alone.
        language: of the texts, where a component is chosen by it.
        dimensions: the vectors' first so many numbers, brought to length 1 again.
    """

    input: Any
    model: StackName = ""
    language: Tag | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(None, gt=0)


@router.post("/v1/embeddings")
async def embeddings(asked: EmbeddingsRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The sentence vector of each text, of length 1."""
    texts = texts_of(asked.input)
    stack = stack_of(asked.model, service.default_stack)
    rows = [(example_of(number, text, language=asked.language), stack) for number, text in enumerate(texts)]
    found, answering = await until_gone(request, service.answers(client, rows, vectors=True))
    note(request, answering, texts)
    vectors = np.stack([vector.numpy() for vector in found])
    if asked.dimensions is not None:
        if asked.dimensions > vectors.shape[1]:
            raise InvalidError(f"the vectors have {vectors.shape[1]} numbers, and {asked.dimensions} are asked for")
        vectors = vectors[:, : asked.dimensions]
    vectors = unit(vectors)
    data = [
        {"object": "embedding", "index": number, "embedding": _encoded(vector, asked.encoding_format), **chosen}
        for number, (vector, chosen) in enumerate(zip(vectors, answering.chosen(), strict=True))
    ]
    usage = {"prompt_tokens": answering.tokens, "total_tokens": answering.tokens}
    body = {"object": "list", "data": data, "model": asked.model or stack or BARE, "usage": usage}
    return JSONResponse({**body, "made_by": service.made_by_each(answering)})


@router.get("/v1/models")
async def models(service: ServiceOf) -> Response:
    """The backbone alone, a component for each text, the stacks of the settings, and the library's components."""
    service.check_ready()
    listed = await service.listed()
    chosen = [AUTO] if any(str(each["component"]).startswith("lang:") for each in listed) else []
    named = dict.fromkeys([BARE, *chosen, *service.config.stacks, *(str(each["component"]) for each in listed)])
    owners = {each["component"]: each["licence"] or "unknown" for each in listed}
    created = int(service.started)
    data = [
        {"id": name, "object": "model", "created": created, "owned_by": "lect", "licence": owners.get(name)}
        for name in named
    ]
    return JSONResponse({"object": "list", "data": data})


@router.get("/v1/models/{model}")
async def model(model: str, service: ServiceOf) -> Response:
    """One stack, with what it is made of: what answers would say."""
    async with service.leased(stack_of(model, "")) as lease:
        made_by = service.made_by(lease)
    found = {"id": model, "object": "model", "created": int(time.time()), "owned_by": "lect"}
    return JSONResponse({**found, "made_by": made_by})


def stack_of(model: str, default: str) -> str:
    """The stack that a model's name means."""
    return "" if model == BARE else model or default


def texts_of(given: Any) -> list[str]:
    """The texts of a request. Raises `InvalidError`, for tokens too: every stack may cut texts otherwise."""
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise InvalidError("input is no text and no list of texts", fix="send one text at least")
    if all(isinstance(each, int) or (isinstance(each, list) and each) for each in texts):
        raise InvalidError(
            "input is a list of tokens, and stacks may have tokenizers of their own",
            fix="send texts (LangChain: check_embedding_ctx_length=False)",
        )
    for each in texts:
        if not isinstance(each, str):
            raise InvalidError("input holds something else than texts")
    return texts


def unit(vectors: Any) -> Any:
    """Vectors of length 1."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths == 0, 1, lengths)


def _encoded(vector: Any, form: str) -> Any:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return vector.tolist()
