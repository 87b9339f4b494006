"""`GET /`: a page on which stacks are tried and compared, components looked up and loaded, and the server watched."""

from __future__ import annotations

import asyncio
import re
import time
from html import escape
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response

from lect import SavedComponent, UserError, search
from lect.locales import ENGLISH, Locale, best_locale, find_locale, tags_of
from lect.serving import finder
from lect_serve.leaving import until_gone
from lect_serve.refusals import InvalidError, UnknownError
from lect_serve.routes.common import ClientOf, ServiceOf, StackName
from lect_serve.service import Service
from lect_serve.stacks import parse_served

_FOLDER = Path(__file__).parent
_FILES = {
    "page.css": "text/css",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(
        (
            "main.js",
            "ask.js",
            "elements.js",
            "messages.js",
            "comparison.js",
            "explanation.js",
            "components.js",
            "state.js",
            "routes.js",
        ),
        "text/javascript",
    ),
}
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
OPEN = frozenset({"/", "/page/messages.json", *(f"/page/{name}" for name in _FILES)})
"""What takes no key: nothing of it is the server's own, and on it the key is entered."""
_MOST_FOUND = 200
_PACKAGE = "lect_serve.page"
_MARK = re.compile(r"\{\{(.+?)\}\}")
"""In the page: a message, or the name of what is filled in."""
AskedLocale = Annotated[str, Query(max_length=20)]
_LONGEST = 200
"""The most of what a browser says of languages that is looked at."""
_SHARE = re.compile(r"[01](\.\d+)?")
_STYLE = re.compile(r'(?<=[a-z0-9]) style="[^"]*"(?=>)')

# What it asks besides the other routes may change with it: no program is told of it.
router = APIRouter(include_in_schema=False)


@router.get("/")
async def index(request: Request, locale: AskedLocale = "") -> Response:
    """The page, in the language that is asked for, or else in that of the browser."""
    reader = _locale(request, locale)
    marks = {"locale": reader.tag, "direction": reader.direction, "locales": _links(reader)}

    def shown(mark: re.Match[str]) -> str:
        return marks.get(mark[1]) or reader.gettext(mark[1])

    text = _MARK.sub(shown, (_FOLDER / "index.html").read_text(encoding="utf-8"))
    told = {"content-language": reader.tag, "vary": "accept-language"}
    return HTMLResponse(text, headers=_HEADERS | told)


@router.get("/page/messages.json")
async def messages(request: Request, locale: AskedLocale = "") -> Response:
    """What the page's scripts say, by what they say in English, with the plural form of each count below 200."""
    found = _locale(request, locale).for_scripts()
    return JSONResponse(found, headers=_HEADERS | {"vary": "accept-language"})


@router.get("/page/state")
async def state(service: ServiceOf, client: ClientOf) -> Response:
    """What the page says of the server: its state, queue and memory, and totals since it started."""
    config = service.config
    facts: dict[str, Any] = {
        "state": service.state,
        "started": service.started,
        "uptime_seconds": round(time.time() - service.started),
        "stacks": list(config.stacks),
        "registries": [Path(name).name for name in config.registries],
        "is_admin": client.is_admin,
    }
    if service.state == "ready":
        facts |= _figures(service)
    return JSONResponse(facts)


@router.get("/page/components")
async def components(service: ServiceOf) -> Response:
    """The components of the library that can be read, with what their manifests say of them."""
    service.check_ready()
    listed = await service.listed()
    # Where a backbone lies is nobody's business.
    return JSONResponse({"components": [{**each, "backbone": Path(each["backbone"]).name} for each in listed]})


@router.get("/page/card")
async def card(component: StackName, service: ServiceOf) -> Response:
    """A component's card as HTML, in which no markup is its author's."""
    service.check_ready()
    atoms = parse_served(component).atoms
    if len(atoms) != 1:
        raise InvalidError("a card is of one component", fix="name one")
    try:
        folder = finder(service.library, service.host)(atoms[0])
        found = await asyncio.to_thread(SavedComponent.read, folder)
        html = await asyncio.to_thread(found._repr_html_)
    except (UserError, OSError) as error:
        what = error.what if isinstance(error, UserError) else "its card cannot be read"
        raise UnknownError(what) from error
    # The page's policy allows no styles in markup; what looks like one in a text has its signs escaped.
    html = _STYLE.sub("", html)
    backbone = found.manifest.backbone.name
    if Path(backbone).is_absolute():
        html = html.replace(escape(backbone), escape(Path(backbone).name))
    return JSONResponse({"component": found.key, "html": html})


@router.get("/page/search")
async def search_registries(
    request: Request, service: ServiceOf, client: ClientOf, words: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """What the server's registries offer, by words that occur in it.

    For whoever may ask: a stack that names any of it is fetched from there.
    """
    service.check_ready()
    registries = list(service.config.registries)
    if not registries:
        raise InvalidError("the server's settings name no registries", fix="add registries to them")
    service.access.spend(client, 1)
    try:
        found = await until_gone(request, asyncio.to_thread(lambda: search(*words.split(), registry=registries)))
    except UserError as error:
        raise InvalidError(error.what) from error
    shown = [{**each, "registry": Path(each["registry"]).name} for each in found[:_MOST_FOUND]]
    return JSONResponse({"found": shown, "more": len(found) - len(shown)})


# Last: what is above has names of its own.
@router.get("/page/{name}")
async def file(name: str) -> Response:
    """A file of the page."""
    if name not in _FILES:
        raise UnknownError("there is no such file")
    return _file(name, _FILES[name])


def _locale(request: Request, asked: str) -> Locale:
    """Of a tag, or of the first one that the browser prefers and the page has."""
    preferred = []
    for place, each in enumerate(request.headers.get("accept-language", "")[:_LONGEST].split(",")):
        tag, _, weight = each.partition(";")
        share = weight.strip().removeprefix("q=")
        preferred.append((-float(share) if _SHARE.fullmatch(share) else -1.0, place, tag.strip()))
    wanted = [asked] if asked else [tag for weight, _, tag in sorted(preferred) if weight < 0]
    return best_locale(wanted, _PACKAGE) or ENGLISH


def _links(reader: Locale) -> str:
    """To the page in each of its languages, each by its own name."""
    shown = []
    for tag in tags_of(_PACKAGE):
        each = find_locale(tag, _PACKAGE)
        current = ' aria-current="true"' if tag == reader.tag else ""
        shown.append(f'<a href="?locale={tag}" lang="{tag}" hreflang="{tag}"{current}>{escape(each.name)}</a>')
    return f'<nav aria-label="{escape(reader.gettext("Language of this page"))}">{" ".join(shown)}</nav>'


def _file(name: str, kind: str) -> Response:
    return FileResponse(_FOLDER / name, media_type=f"{kind}; charset=utf-8", headers=_HEADERS)


def _figures(service: Service) -> dict[str, Any]:
    def total(name: str) -> float:
        return service.metrics.registry.get_sample_value(name) or 0.0

    config, backbone = service.config, service.engine.backbone
    answered = [sample for metric in service.metrics.requests.collect() for sample in metric.samples]
    return {
        "backbone": {"name": Path(backbone.name).name, "fingerprint": backbone.fingerprint},
        "device": service.engine.device.type,
        "precision": service.engine.precision,
        "queue": {
            "texts": service.scheduler.rows,
            "most": config.limits.queued_texts,
            "wait_seconds": round(service.scheduler.wait, 3),
        },
        "memory": {
            "components": len(service.parts.listed()),
            "bytes": service.parts.size,
            "most_bytes": service.parts.most_bytes,
        },
        "texts": total("lect_texts_total"),
        "tokens": total("lect_tokens_total"),
        "busy_seconds": total("lect_batch_seconds_sum"),
        # Without those of a page that looks every few seconds.
        "requests": sum(each.value for each in answered if each.name.endswith("_total") and _counts(each.labels)),
    }


def _counts(labels: dict[str, str]) -> bool:
    return not labels["route"].startswith(("/page/", "/health", "/metrics")) and labels["route"] != "/"
