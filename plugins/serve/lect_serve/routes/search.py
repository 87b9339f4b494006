"""`POST /v1/search`: the nearest texts of an index that the server's settings name."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from lect import UserError, nearest
from lect.serving import Index, check_heads, check_weights, read_index
from lect_serve.leaving import until_gone
from lect_serve.parts import Lease
from lect_serve.refusals import InvalidError, UnknownError
from lect_serve.routes.common import Asked, ClientOf, ServiceOf, StackName, Tag, example_of, note
from lect_serve.service import Service, indexes_of

router = APIRouter(tags=["lect"])


class SearchRequest(Asked):
    """What is looked for.

    Args:
        index: its name in the server's settings.
        stack: that queries go through; by default the one that the corpus went through.
        language: of the queries, where a component is chosen by it.
        count: how many texts are found for each query.
    """

    index: str
    query: str | list[str]
    stack: StackName | None = None
    language: Tag | None = None
    count: int = Field(10, gt=0, le=1000)


@router.post("/v1/search")
async def search(asked: SearchRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The nearest texts of each query, by cosine."""
    service.check_ready()
    index = await _index(service, asked.index)
    queries = [asked.query] if isinstance(asked.query, str) else asked.query
    stack = index.facts.stack if asked.stack is None else asked.stack
    rows = [(example_of(number, query, language=asked.language), stack) for number, query in enumerate(queries)]
    found, answering = await until_gone(request, service.answers(client, rows, vectors=True))
    note(request, answering, queries)
    for lease in answering.leases.values():
        _check(service, index, lease, asked.index)
    vectors = np.stack([vector.numpy() for vector in found])
    hits = await asyncio.to_thread(index.search, vectors, asked.count)
    results = [[asdict(hit) for hit in own] for own in hits]
    body: dict[str, Any] = {"results": results, "made_by": service.made_by_each(answering)}
    if answering.is_automatic:
        body["chosen"] = answering.chosen()
    return JSONResponse(body)


async def _index(service: Service, name: str) -> Index:
    folders = indexes_of(service.config)
    if name not in folders:
        raise UnknownError("there is no such index", fix=nearest(name, folders))
    if name not in service.indexes:
        try:
            service.indexes[name] = await asyncio.to_thread(read_index, folders[name])
        except UserError as error:
            raise UnknownError(f'the index "{name}" cannot be read: {error.what}') from error
    return service.indexes[name]


def _check(service: Service, index: Index, lease: Lease, name: str) -> None:
    """Refuse queries whose vectors do not live in the index's space."""
    if index.facts.fingerprint != service.engine.backbone.fingerprint:
        raise InvalidError(f'the index "{name}" was built with another backbone')
    by = service.engine.vectors_by(lease.keys) if lease.keys else ""
    weights = {each.component: each.weights for each in lease.provenance}
    try:
        check_heads(index.facts.head, by.partition("#")[0], where=f'index "{name}"')
        check_weights(index.facts, weights, indexes_of(service.config)[name])
    except UserError as error:
        raise InvalidError(error.what, fix=error.fix) from error
