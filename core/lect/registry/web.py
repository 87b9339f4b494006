"""Files over HTTP from servers that nobody vouches for: bounded in size, in redirects, and in how long they dawdle."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, Queue
from typing import Any, NoReturn
from urllib.parse import urljoin, urlsplit

from lect.errors import RegistryError

MAX_REDIRECTS = 5
CHUNK_BYTES = 2**18
MIN_PROGRESS_BYTES = 1024
"""As many must come in each time span of `patience`, or a server that drips would hold us for ever."""


@dataclass(frozen=True)
class Answer:
    """What a server answered: its status, and its body as it comes.

    Args:
        url: where it came from in the end.
        chunks: of the body; raises `RegistryError` where the server breaks off or stalls.
    """

    status: int
    headers: Mapping[str, str]
    url: str
    chunks: Iterator[bytes]

    @property
    def length(self) -> int | None:
        """The body's bytes, where the server says so."""
        stated = self.headers.get("content-length", "")
        return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 19 else None


def patience() -> float:
    """Seconds that a server may take to connect, to answer, or to send another kilobyte: ``LECT_TIMEOUT``, else 20."""
    value = os.environ.get("LECT_TIMEOUT", "").strip()
    try:
        seconds = float(value) if value else 20.0
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise RegistryError(f'"{value}" is no number of seconds up to 3600', where="LECT_TIMEOUT")
    return seconds


@contextmanager
def get(url: str, headers: Mapping[str, str] | None = None) -> Iterator[Answer]:
    """Ask for a URL, following redirects.

    Args:
        headers: ``Authorization`` is sent only to the URL's own host.

    Raises:
        RegistryError: the URL is none that is allowed, or the server cannot be reached, redirects too often or to
            where it must not, or takes too long.
    """
    check_url(url)
    limit = patience()
    import httpx

    timeout = httpx.Timeout(limit)
    # Redirects are followed here, since each must be allowed.
    with httpx.Client(timeout=timeout, follow_redirects=False) as client:
        target, sent = url, {"Accept-Encoding": "identity", "User-Agent": "lect", **(headers or {})}
        for _ in range(MAX_REDIRECTS + 1):
            answer = _within(limit, partial(_send, client, target, sent), shown(target))
            try:
                location = answer.headers.get("location")
                if answer.status_code not in (301, 302, 303, 307, 308) or not location:
                    if answer.headers.get("content-encoding", "identity") != "identity":
                        _fail(target, "sends it compressed, though it was asked not to")
                    yield Answer(
                        answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, target,
                        _chunks(answer, target, limit),
                    )  # fmt: skip
                    return
            finally:
                # Closing never waits for the rest of a body that nobody wants.
                with suppress(Exception):
                    answer.close()
            target, sent = _next(target, location, sent)
        _fail(url, f"redirects more than {MAX_REDIRECTS} times", "ask whoever runs the registry")


def check_url(url: str) -> None:
    """Refuse what is neither ``https:`` nor ``http:`` on this very machine. Raises `RegistryError`."""
    parts = _split(url)
    if parts.username is not None or parts.password is not None:
        raise RegistryError(
            "a URL holds a user name or password", where=shown(url), fix="put them into ~/.netrc, and name the bare URL"
        )
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and _is_local(parts.hostname):
        return
    raise RegistryError("is no URL that lect fetches from", where=shown(url), fix="give an https: URL")


def shown(url: str) -> str:
    """A URL as messages show it: without user, password and query, any of which may hold a secret."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ascii(url.partition("?")[0][:200])
    text = f"{parts.scheme}://{host}{port}{parts.path}"
    return text if text.isprintable() else ascii(text)


def _send(client: Any, url: str, headers: Mapping[str, str]) -> Any:
    return client.send(client.build_request("GET", url, headers=dict(headers)), stream=True)


def _within(limit: float, action: Any, where: str) -> Any:
    """The result of an action that has a time limit as a whole: a server may drip its headers, too."""
    import httpx

    results: Queue[tuple[Any, BaseException | None]] = Queue()

    def run() -> None:
        try:
            results.put((action(), None))
        except BaseException as error:
            results.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        # Connecting has its own limit inside; together they may take two.
        result, error = results.get(timeout=2 * limit)
    except Empty:
        raise RegistryError(f"does not answer within {2 * limit:g} s", where=where, fix=_LATER) from None
    if error is None:
        return result
    if isinstance(error, httpx.TimeoutException):
        raise RegistryError(f"does not answer within {limit:g} s", where=where, fix=_LATER) from error
    if isinstance(error, httpx.HTTPError | httpx.InvalidURL | OSError | ValueError):
        said = " ".join(str(error).split()) or type(error).__name__
        raise RegistryError(f"cannot be reached ({said[:200]})", where=where, fix=_LATER) from error
    raise error


def _chunks(answer: Any, url: str, limit: float) -> Iterator[bytes]:
    import httpx

    began, arrived = time.monotonic(), 0
    try:
        for chunk in answer.iter_raw():
            yield chunk
            arrived += len(chunk)
            if arrived >= MIN_PROGRESS_BYTES:
                began, arrived = time.monotonic(), 0
            elif time.monotonic() - began > limit:
                _fail(url, f"sends less than {MIN_PROGRESS_BYTES} bytes in {limit:g} s", _LATER)
    except httpx.TimeoutException as error:
        raise RegistryError(f"sends nothing for {limit:g} s", where=shown(url), fix=_LATER) from error
    except (httpx.HTTPError, OSError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise RegistryError(
            f"the connection broke off ({said[:200]})", where=shown(url), fix="try again: it goes on where it stopped"
        ) from error


def _next(url: str, location: str, sent: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    target = urljoin(url, location)
    before, after = _split(url), _split(target)
    if before.scheme == "https" and after.scheme != "https":
        _fail(url, f"redirects from https to {shown(target)}", "ask whoever runs the registry")
    check_url(target)
    _check_reach(before.hostname, after.hostname, target)
    headers = dict(sent)
    if (before.scheme, before.netloc) != (after.scheme, after.netloc):
        headers.pop("Authorization", None)
        headers.pop("authorization", None)
    return target, headers


def _check_reach(before: str, after: str, target: str) -> None:
    """Refuse a redirect into a network that the server itself is not in: this machine, its neighbours, its cloud."""
    if before == after:
        return
    if hidden := _networks(after) - _networks(before):
        _fail(
            target,
            f"a redirect leads here, into {min(hidden)}, where the registry itself is not",
            "do not use this registry; tell whoever runs it",
        )


def _networks(host: str) -> set[str]:
    """The networks that a host is in and the world is not; empty for a host of the open internet."""
    try:
        addresses = [host] if _is_address(host) else [str(entry[4][0]) for entry in socket.getaddrinfo(host, None)]
    except (OSError, UnicodeError):
        # Nobody can connect to it either.
        return set()
    found = (_network(ipaddress.ip_address(address.partition("%")[0])) for address in addresses)
    return {name for name in found if name}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _network(address: Any) -> str:
    if address.version == 6 and (inner := address.ipv4_mapped or address.sixtofour):
        return _network(inner)
    if address.is_loopback or address.is_unspecified:
        return "this machine"
    if address.is_link_local:
        return "the link's own network"
    return "" if address.is_global and not address.is_multicast else "a private network"


def _split(url: str) -> Any:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        raise RegistryError("is no URL", where=ascii(url[:200])) from None
    if not url.isascii() or not url.isprintable() or " " in url:
        raise RegistryError("is no URL", where=ascii(url[:200]))
    return parts


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


_LATER = "check the connection, or try again later"


def _fail(url: str, what: str, fix: str | None = None) -> NoReturn:
    raise RegistryError(what, where=shown(url), fix=fix)
