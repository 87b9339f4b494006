"""Components of the library and in memory: listed, loaded, unloaded and pulled, by whoever has an admin's key."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse, Response

from lect import UserError, pull
from lect_serve.refusals import InvalidError, UnknownError
from lect_serve.routes.common import Asked, ClientOf, ServiceOf, StackName
from lect_serve.stacks import parse_served


async def _admin(service: ServiceOf, client: ClientOf) -> None:
    service.access.check_admin(client)
    service.check_ready()


router = APIRouter(tags=["components"], dependencies=[Depends(_admin)])


class LoadRequest(Asked):
    """A stack to be attached.

    Args:
        pin: whether its components stay, whatever else is wanted.
    """

    stack: StackName
    pin: bool = False


class UnloadRequest(Asked):
    """A component to be detached, such as ``lang:jav``: whatever of that name is in memory."""

    component: StackName


class PullRequest(Asked):
    """A component to be fetched.

    Args:
        component: such as ``lang:jav`` or ``lang:jav@^1``.
        registry: one of those in the server's settings; all of them by default.
    """

    component: StackName
    registry: str | None = None


@router.get("/v1/components")
async def listed(service: ServiceOf) -> Response:
    """The components of the library, and those in memory, with their digests."""
    parts = service.parts
    return JSONResponse({"library": await service.listed(), "attached": parts.listed(), "bytes": parts.size})


@router.post("/v1/components/load")
async def load(asked: LoadRequest, service: ServiceOf) -> Response:
    """Attach a stack's components as they are on the disk now."""
    service.look_again()
    if asked.pin:
        lease = await service.parts.pin(asked.stack)
    else:
        lease = await service.parts.lease(asked.stack)
        service.parts.release(lease)
    return JSONResponse(service.made_by(lease))


@router.post("/v1/components/unload")
async def unload(asked: UnloadRequest, service: ServiceOf) -> Response:
    """Detach a component, when its last request is answered; it is loaded again where it is asked for again."""
    service.look_again()
    count = service.parts.unload(asked.component)
    if not count:
        raise UnknownError(f'"{asked.component}" is not in memory')
    return JSONResponse({"unloaded": count})


@router.post("/v1/components/pull")
async def pull_component(asked: PullRequest, service: ServiceOf) -> Response:
    """Fetch a component into the library, checked as `lect pull` does; stacks that name it take it from then on."""
    registries = service.config.registries
    if asked.registry is not None and asked.registry not in registries:
        raise InvalidError("this registry is not among the server's", fix=f"known: {', '.join(registries) or 'none'}")
    if not registries:
        raise InvalidError("the server's settings name no registries", fix="add registries to them")
    parse_served(asked.component)
    chosen = registries if asked.registry is None else (asked.registry,)
    folder = service.library.folders[0]
    try:
        found = await asyncio.to_thread(pull, asked.component, registry=list(chosen), library=folder)
    except UserError as error:
        raise UnknownError(error.what, fix=error.fix) from error
    service.look_again()
    return JSONResponse({"component": found.key, "version": found.manifest.version, "licence": found.manifest.licence})
