"""The routes of Text Embeddings Inference (TEI), in its shapes; `stack` in a body names one, else the server's."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from lect import Prediction, __version__
from lect_serve.access import Client
from lect_serve.leaving import until_gone
from lect_serve.refusals import InvalidError, TooLargeError
from lect_serve.routes.common import AskedAsElsewhere, ClientOf, ServiceOf, StackName, Tag, example_of, note
from lect_serve.routes.openai import BARE, texts_of, unit
from lect_serve.service import Service

router = APIRouter(tags=["TEI"])
Pair = Annotated[list[str], Field(min_length=1, max_length=2)]


class Stacked(AskedAsElsewhere):
    """What all have: a stack, the language of the texts where one is chosen by it, and whether texts may be cut."""

    stack: StackName | None = None
    language: Tag | None = None
    truncate: bool | None = False


class EmbedRequest(Stacked):
    """Texts to be embedded."""

    inputs: Any
    normalize: bool = True
    dimensions: int | None = Field(None, gt=0)


class PredictRequest(Stacked):
    """A text, a pair, or a batch of lists of one or two texts."""

    inputs: str | Pair | list[Pair]
    raw_scores: bool = False


class RerankRequest(Stacked):
    """Texts to be ordered by how well they go with a query."""

    query: str
    texts: list[str] = Field(min_length=1)
    raw_scores: bool = False
    return_text: bool = False


class SimilarityInputs(AskedAsElsewhere):
    """A text and those that it is compared with."""

    source_sentence: str
    sentences: list[str] = Field(min_length=1)


class SimilarityRequest(AskedAsElsewhere):
    """How near texts are to one."""

    inputs: SimilarityInputs
    parameters: Stacked | None = None
    stack: StackName | None = None


class TokenizeRequest(Stacked):
    """Texts to be cut into tokens."""

    inputs: str | list[str]
    add_special_tokens: bool = True


@router.post("/embed")
async def embed(asked: EmbedRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The sentence vector of each text."""
    vectors = await _vectors(request, service, client, texts_of(asked.inputs), asked)
    if asked.dimensions is not None:
        if asked.dimensions > vectors.shape[1]:
            raise InvalidError(f"`dimensions` should be at most {vectors.shape[1]}")
        vectors = vectors[:, : asked.dimensions]
    return JSONResponse((unit(vectors) if asked.normalize else vectors).tolist())


@router.post("/predict")
async def predict(asked: PredictRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The probability of each label, the highest first; of a batch a list of such lists."""
    given: Any = asked.inputs
    is_single = isinstance(given, str) or isinstance(given[0], str)
    pairs: list[list[str]] = [[given] if isinstance(given, str) else given] if is_single else given
    stack = _stack(asked, service)
    rows = [(example_of(number, *texts, language=asked.language), stack) for number, texts in enumerate(pairs)]
    found, answering = await until_gone(request, service.answers(client, rows, whole=not asked.truncate))
    note(request, answering, [texts[0] for texts in pairs])
    answers = [_labels(prediction, raw=asked.raw_scores) for prediction in found]
    return JSONResponse(answers[0] if is_single else answers)


@router.post("/rerank")
async def rerank(asked: RerankRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The texts by their scores: what the stack's head gives of query and text, or the cosine of their vectors."""
    stack = _stack(asked, service)
    async with service.leased(stack) as lease:
        head = service.engine.head_of(lease.keys)
    if head is None or head.embeds:
        vectors = unit(await _vectors(request, service, client, [asked.query, *asked.texts], asked))
        scores = (vectors[1:] @ vectors[0]).tolist()
    else:
        rows = [
            (example_of(number, asked.query, text, language=asked.language), stack)
            for number, text in enumerate(asked.texts)
        ]
        found, answering = await until_gone(request, service.answers(client, rows, whole=not asked.truncate))
        note(request, answering)
        scores = [_score(prediction) for prediction in found]
    order = sorted(range(len(scores)), key=lambda place: -scores[place])
    ranks = [
        {"index": place, **({"text": asked.texts[place]} if asked.return_text else {}), "score": scores[place]}
        for place in order
    ]
    return JSONResponse(ranks)


@router.post("/similarity")
async def similarity(asked: SimilarityRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The cosine of one text and each of several."""
    given = asked.parameters or Stacked()
    own = Stacked(stack=asked.stack or given.stack, language=given.language, truncate=given.truncate)
    texts = [asked.inputs.source_sentence, *asked.inputs.sentences]
    vectors = unit(await _vectors(request, service, client, texts, own))
    return JSONResponse((vectors[1:] @ vectors[0]).tolist())


@router.post("/tokenize")
async def tokenize(asked: TokenizeRequest, service: ServiceOf) -> Response:
    """How the stack's tokenizer cuts texts; the places are those of characters."""
    texts = texts_of(asked.inputs)
    if len(texts) > service.config.limits.texts:
        raise TooLargeError(f"{len(texts):,} texts are more than the {service.config.limits.texts:,} of a request")
    stack = _stack(asked, service)
    rows = [(example_of(number, text, language=asked.language), stack) for number, text in enumerate(texts)]
    service.check_ready()
    chosen, _ = await service.automatic.choose(rows)
    places: dict[str, list[int]] = {}
    for place, (_, own) in enumerate(chosen):
        places.setdefault(own, []).append(place)
    encoded: dict[int, Any] = {}
    for own, of_stack in places.items():
        async with service.leased(own) as lease:
            tokenizer = service.engine.encoder.tokenizer(lease.keys)
            tokenizer.no_truncation()
            given = [texts[place] for place in of_stack]
            found = tokenizer.encode_batch(given, add_special_tokens=asked.add_special_tokens)
            encoded |= zip(of_stack, found, strict=True)
    return JSONResponse([_tokens(text, encoded[place]) for place, text in enumerate(texts)])


@router.get("/info")
async def info(service: ServiceOf) -> Response:
    """What is served, and its limits."""
    service.check_ready()
    engine, config = service.engine, service.config
    backbone = engine.backbone
    async with service.leased(service.default_stack) as lease:
        head = engine.head_of(lease.keys)
        labels = list(head.labels) if head is not None else []
        made_by = service.made_by(lease)
    if labels:
        kind: dict[str, Any] = {
            "classifier": {
                "id2label": {str(number): label for number, label in enumerate(labels)},
                "label2id": {label: number for number, label in enumerate(labels)},
            }
        }
    else:
        kind = {"embedding": {"pooling": backbone.pooling}}
    facts = {
        "model_id": service.default_stack or backbone.name,
        "model_sha": backbone.fingerprint,
        "model_dtype": engine.precision,
        "model_type": kind,
        "max_concurrent_requests": config.limits.connections,
        "max_input_length": engine.encoder.max_length,
        "max_batch_tokens": service.tokens_per_batch,
        "max_batch_requests": None,
        "max_client_batch_size": config.limits.texts,
        "auto_truncate": False,
        "tokenization_workers": 1,
        "version": __version__,
        "sha": None,
        "docker_label": None,
    }
    return JSONResponse({**facts, "made_by": made_by})


async def _vectors(request: Request, service: Service, client: Client, texts: list[str], asked: Stacked) -> Any:
    """*Shape:* ``(texts, width)``."""
    stack = _stack(asked, service)
    rows = [(example_of(number, text, language=asked.language), stack) for number, text in enumerate(texts)]
    work = service.answers(client, rows, vectors=True, whole=not asked.truncate)
    found, answering = await until_gone(request, work)
    note(request, answering, texts)
    return np.stack([vector.numpy() for vector in found])


def _stack(asked: Stacked, service: Service) -> str:
    if asked.stack is None:
        return service.default_stack
    return "" if asked.stack == BARE else asked.stack


def _labels(prediction: Prediction, *, raw: bool) -> list[dict[str, Any]]:
    """Labels with their scores. Raw ones are logarithms of probabilities: logits, but for a constant."""
    if not prediction.scores:
        if prediction.score is None and not isinstance(prediction.value, int | float):
            raise InvalidError("this stack does not choose among labels", fix="ask /v1/predict")
        return [{"label": str(prediction), "score": _score(prediction)}]
    ordered = sorted(prediction.scores.items(), key=lambda pair: -pair[1])
    return [{"label": label, "score": math.log(max(score, 1e-38)) if raw else score} for label, score in ordered]


def _score(prediction: Prediction) -> float:
    """One number for a pair: what a regression gives, or the probability of the last of two labels."""
    if isinstance(prediction.value, int | float) and not isinstance(prediction.value, bool):
        return float(prediction.value)
    if len(prediction.scores) == 2:
        return float(list(prediction.scores.values())[1])
    if prediction.score is not None and not prediction.scores:
        return prediction.score
    raise InvalidError("this stack gives no score of a pair", fix="name one with a regression, or without a head")


def _tokens(text: str, encoding: Any) -> list[dict[str, Any]]:
    special = encoding.special_tokens_mask
    return [
        {
            "id": number,
            "text": token if special[place] else text[start:stop] or token,
            "special": bool(special[place]),
            "start": None if special[place] else start,
            "stop": None if special[place] else stop,
        }
        for place, (number, token, (start, stop)) in enumerate(
            zip(encoding.ids, encoding.tokens, encoding.offsets, strict=True)
        )
    ]
