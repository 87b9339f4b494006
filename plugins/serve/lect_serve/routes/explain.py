"""`POST /v1/explain`: which words a prediction hangs on, with the whole stack and without each of its components."""

from __future__ import annotations

import json
import re

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from lect import UserError, parse_stack
from lect.serving import OpenStack, explain
from lect_serve.leaving import until_gone
from lect_serve.refusals import InvalidError, TooLargeError
from lect_serve.routes.common import Asked, ClientOf, ServiceOf, StackName, Tag, example_of
from lect_serve.service import Service

router = APIRouter(tags=["lect"])
_STEPS = 16
"""Of the integral: each is a pass forward and back, while nothing else is computed."""
_LONGEST = 2000
_DIGEST = re.compile(r"#[0-9a-f]{64}")


class ExplainRequest(Asked):
    """What is to be explained.

    Args:
        target: the label; by default the predicted one.
        language: of the text, where a component is chosen by it.
        against: of a stack without a head: the text that this one is compared with.
    """

    text: str
    stack: StackName | None = None
    language: Tag | None = None
    target: str | None = None
    against: str | None = None


@router.post("/v1/explain")
async def explain_text(asked: ExplainRequest, request: Request, service: ServiceOf, client: ClientOf) -> Response:
    """The share of each word in the score, as `lect explain --json` prints it."""
    if max(len(asked.text), len(asked.against or "")) > _LONGEST:
        raise TooLargeError(f"a text to be explained has at most {_LONGEST:,} characters", fix="cut it")
    service.check_ready()
    service.access.spend(client, _STEPS)
    return JSONResponse(await until_gone(request, _explained(asked, service)))


async def _explained(asked: ExplainRequest, service: Service) -> dict[str, object]:
    stack = service.default_stack if asked.stack is None else asked.stack
    row = (example_of(0, asked.text, language=asked.language), stack)
    ((_, text),), (choice,) = await service.automatic.choose([row])
    chosen = {} if choice is None else {"stack": text, **choice.record()}
    async with service.leased(text) as lease:
        opened = OpenStack(parse_stack(lease.text), lease.keys, (), service.engine)
        try:
            found = await service.alone(
                lambda: explain(opened, asked.text, target=asked.target, against=asked.against, steps=_STEPS)
            )
        except UserError as error:
            raise InvalidError(_DIGEST.sub("", error.what), fix=error.fix) from error
        values = json.loads(_DIGEST.sub("", found.to_json()))
        return {**values, **chosen, "made_by": service.made_by(lease)}
