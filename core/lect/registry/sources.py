"""Where a registry lies: a folder, a server, or a repository of the Hugging Face hub; and how its files are had."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from lect.cache import cache_folder
from lect.errors import RegistryError, UserError
from lect.files import write_aside
from lect.registry.format import FILE, MAX_BYTES
from lect.registry.web import Answer, check_url, get, shown

Report = Callable[[str], None]
"""Told, in one line, of what is wrong and stops nothing."""

_HUB = re.compile(r"hf:((?:datasets/)?[\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
_HUB_PAGE = re.compile(r"https://huggingface\.co/((?:datasets/)?[\w.-]+/[\w.-]+)/?", re.ASCII)


@dataclass(frozen=True)
class Source:
    """A place that holds a `registry.toml` and what it lists.

    Args:
        place: a folder, a URL that ends in a slash, or a repository's id.
        revision: of a repository.
    """

    kind: Literal["folder", "web", "hub"]
    place: str
    revision: str | None = None

    def __str__(self) -> str:
        if self.kind == "hub":
            return f"hf:{self.place}" + (f"@{self.revision}" if self.revision else "")
        return self.place

    def file(self, path: str) -> str:
        """What messages call one of its files."""
        if self.kind == "folder":
            return str(Path(self.place) / path)
        return f"{shown(self.place)}{path}" if self.kind == "web" else f"{self}/{path}"


def parse_source(text: str) -> Source:
    """The source that a user named: a folder, ``file:``, ``https:`` or ``hf:owner/name@revision``.

    Raises:
        RegistryError: it is none of these, or there is no such folder.
    """
    if found := _HUB.fullmatch(text) or _HUB_PAGE.fullmatch(text):
        return Source("hub", found[1], found[2] if found.re is _HUB else None)
    if text.startswith("hf:"):
        raise RegistryError("is no repository of the hub", where=ascii(text), fix="write hf:owner/name@revision")
    if text.startswith("file:"):
        parts = urlsplit(text)
        if parts.netloc not in ("", "localhost"):
            raise RegistryError("names another machine", where=ascii(text), fix="write file:///folder")
        text = unquote(parts.path)
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", text):
        url = text.removesuffix(FILE)
        check_url(url)
        if urlsplit(url).query or urlsplit(url).fragment:
            raise RegistryError("a registry's URL has no query", where=shown(url), fix="name the folder it lies in")
        return Source("web", url if url.endswith("/") else f"{url}/")
    folder = Path(text.removesuffix(FILE) or ".").expanduser().absolute()
    if not (folder / FILE).is_file():
        raise RegistryError(
            f"there is no {FILE} in this folder", where=str(folder), fix="start one with: lect registry build FOLDER"
        )
    return Source("folder", str(folder))


def is_offline() -> bool:
    """Whether the user wants no connection: ``LECT_OFFLINE``."""
    return os.environ.get("LECT_OFFLINE", "").strip().lower() not in ("", "0", "false", "no")


@dataclass(frozen=True)
class Offer:
    """What a source offers.

    Args:
        content: of its `registry.toml`.
        source: where its files are: a repository of the hub at the commit that the content is from.
    """

    content: bytes
    source: Source


def read_offer(source: Source, *, offline: bool, report: Report, max_age: float = 0) -> Offer:
    """The `registry.toml` of a source.

    What a server gave is kept, asked for again by its ETag, and used where the server cannot be reached.

    Args:
        max_age: for so many seconds the server is not asked again.

    Raises:
        RegistryError: it cannot be read, and was never fetched before.
    """
    if source.kind == "folder":
        return Offer(_read_folder(source), source)
    kept = _Kept.of(source)
    if offline:
        if kept is None:
            raise RegistryError(
                "has not been fetched yet, and lect is offline", where=str(source), fix="leave out --offline once"
            )
        return kept.offer(source)
    if kept is not None and 0 <= time.time() - kept.checked < max_age:
        return kept.offer(source)
    try:
        return _fetch_index(source, kept)
    except RegistryError as error:
        if kept is None:
            raise
        report(f"{error}; going on with what it offered when it was last fetched")
        return kept.offer(source)


def read_beside(source: Source, path: str, limit: int, *, offline: bool) -> bytes | None:
    """A small file that may lie beside a source's `registry.toml`; None where there is none.

    Args:
        limit: in bytes; what is larger is cut there, and is nothing that anybody signed.

    Raises:
        RegistryError: it cannot be asked for.
    """
    if source.kind == "folder":
        try:
            with (Path(source.place) / path).open("rb") as stream:
                return stream.read(limit)
        except OSError:
            return None
    if offline:
        return None
    url, headers = _address(source, path)
    with get(url, headers) as answer:
        if answer.status in (404, 410):
            return None
        _check_status(answer, url)
        content = bytearray()
        for chunk in answer.chunks:
            content += chunk
            if len(content) >= limit:
                break
        return bytes(content[:limit])


def fetch(source: Source, path: str, *, offline: bool) -> Callable[[int], tuple[int, Iterator[bytes]]]:
    """What gives a file's bytes from a position, as `lect.registry.blobs` takes it."""

    def from_folder(start: int) -> tuple[int, Iterator[bytes]]:
        return start, _read_blocks(Path(source.place), path, start)

    def from_web(start: int) -> tuple[int, Iterator[bytes]]:
        if offline:
            raise RegistryError("is not in the cache, and lect is offline", where=source.file(path))
        url, headers = _address(source, path)
        return _open(url, headers, start)

    return from_folder if source.kind == "folder" else from_web


# --------------------------------------------------------------------------------------------------------- folders


def _read_folder(source: Source) -> bytes:
    file = Path(source.place) / FILE
    try:
        with file.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise RegistryError(f"cannot be read ({(error.strerror or str(error)).lower()})", where=str(file)) from error


def _read_blocks(folder: Path, path: str, start: int) -> Iterator[bytes]:
    file = folder / path
    if not file.resolve().is_relative_to(folder.resolve()):
        raise RegistryError("is a link that leaves the registry", where=str(file))
    try:
        if not file.is_file():
            raise RegistryError("the registry lists this file, and it is not there", where=str(file))
        with file.open("rb") as stream:
            stream.seek(start)
            while block := stream.read(2**20):
                yield block
    except OSError as error:
        raise RegistryError(f"cannot be read ({(error.strerror or str(error)).lower()})", where=str(file)) from error


# --------------------------------------------------------------------------------------------------------- servers


@dataclass(frozen=True)
class _Kept:
    """A `registry.toml` as it was last fetched."""

    content: bytes
    validators: Mapping[str, str]
    revision: str | None = None
    checked: float = 0

    def offer(self, source: Source) -> Offer:
        return Offer(self.content, replace(source, revision=self.revision or source.revision))

    @classmethod
    def of(cls, source: Source) -> _Kept | None:
        try:
            checked = _state_file(source).stat().st_mtime
            state = json.loads(_state_file(source).read_text("utf-8"))
            content = _content_file(state["sha256"]).read_bytes()
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if hashlib.sha256(content).hexdigest() != state["sha256"]:
            return None
        validators = state.get("validators")
        revision = state.get("revision")
        return cls(
            content,
            validators if isinstance(validators, dict) else {},
            revision if isinstance(revision, str) else None,
            checked,
        )

    def save(self, source: Source) -> None:
        digest = hashlib.sha256(self.content).hexdigest()
        if not _content_file(digest).exists():
            write_aside(_content_file(digest), self.content)
        state = {
            "source": str(source),
            "sha256": digest,
            "validators": dict(self.validators),
            "revision": self.revision,
        }
        write_aside(_state_file(source), json.dumps(state))


def _state_file(source: Source) -> Path:
    return cache_folder() / "registries" / f"{hashlib.sha256(str(source).encode()).hexdigest()[:32]}.json"


def _content_file(sha256: str) -> Path:
    return cache_folder() / "registries" / f"{sha256}.toml"


def _fetch_index(source: Source, kept: _Kept | None) -> Offer:
    pinned = pin(source)
    url, headers = _address(pinned, FILE)
    asked = dict(headers)
    if kept is not None and kept.revision == pinned.revision:
        for name, header in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
            if value := kept.validators.get(name):
                asked[header] = value
    with get(url, asked) as answer:
        if answer.status == 304 and kept is not None:
            with suppress(OSError):
                os.utime(_state_file(source))
            return kept.offer(source)
        _check_status(answer, url)
        content = _bounded(answer, url)
        validators = {
            name: answer.headers[name]
            for name in ("etag", "last-modified")
            if name in answer.headers and len(answer.headers[name]) < 1000
        }
    _Kept(content, validators, pinned.revision).save(source)
    return Offer(content, pinned)


def _bounded(answer: Answer, url: str) -> bytes:
    content = bytearray()
    if (answer.length or 0) > MAX_BYTES:
        raise RegistryError(f"is larger than {MAX_BYTES:,} bytes", where=shown(url))
    for chunk in answer.chunks:
        content += chunk
        if len(content) > MAX_BYTES:
            raise RegistryError(f"is larger than {MAX_BYTES:,} bytes", where=shown(url))
    if answer.length is not None and len(content) != answer.length:
        raise RegistryError(f"ended after {len(content):,} of {answer.length:,} bytes", where=shown(url))
    return bytes(content)


def _open(url: str, headers: Mapping[str, str], start: int) -> tuple[int, Iterator[bytes]]:
    stack = ExitStack()
    try:
        asked = {**headers, "Range": f"bytes={start}-"} if start else headers
        answer = stack.enter_context(get(url, asked))
        if start and answer.status == 416:
            stack.close()
            return _open(url, headers, 0)
        _check_status(answer, url)
        # A server may send the whole, or another range than was asked for.
        begins = re.match(r"bytes (\d{1,18})-", answer.headers.get("content-range", ""))
        position = start if answer.status == 206 and begins and int(begins[1]) == start else 0
        if answer.status == 206 and position != start:
            stack.close()
            return _open(url, headers, 0)
    except BaseException:
        stack.close()
        raise
    return position, _closing(stack, answer.chunks)


def _closing(stack: ExitStack, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with stack:
        yield from chunks


def _check_status(answer: Answer, url: str) -> None:
    if answer.status in (200, 206):
        return
    fix = {
        401: "for a closed repository of the hub: hf auth login",
        403: "for a closed repository of the hub: hf auth login",
        404: "the registry lists what is not there; tell whoever runs it",
    }.get(answer.status, "try again later")
    raise RegistryError(f"the server answers {answer.status}", where=shown(url), fix=fix)


# ------------------------------------------------------------------------------------------------------------- hub


def _address(source: Source, path: str) -> tuple[str, dict[str, str]]:
    """The URL of a file, and the headers to ask for it with."""
    if source.kind == "web":
        return f"{source.place}{quote(path)}", {}
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    kind, repository = _repository(source)
    url = hf_hub_url(repository, path, repo_type=kind, revision=source.revision)
    headers: dict[str, Any] = build_hf_headers(library_name="lect")
    # The token goes with the request, and into no message: `shown` and `web` keep headers out of them.
    return url, {name: str(value) for name, value in headers.items() if name.lower() == "authorization"}


def _repository(source: Source) -> tuple[str | None, str]:
    if source.place.startswith("datasets/"):
        return "dataset", source.place.removeprefix("datasets/")
    return None, source.place


def pin(source: Source) -> Source:
    """The source at one commit, for a repository of the hub whose revision may move.

    Raises:
        RegistryError: there is no such repository or revision, or the hub cannot be reached.
    """
    if source.kind != "hub" or re.fullmatch("[0-9a-f]{40}", source.revision or ""):
        return source
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    kind, repository = _repository(source)
    try:
        commit = HfApi().repo_info(repository, repo_type=kind, revision=source.revision, timeout=30).sha
    except (HfHubHTTPError, HFValidationError, OSError, ValueError, UserError) as error:
        status = getattr(getattr(error, "response", None), "status_code", None)
        said = f"the hub answers {status}" if status else f"the hub cannot be reached ({type(error).__name__})"
        raise RegistryError(
            said, where=str(source), fix="check its name, the connection, and for a closed one: hf auth login"
        ) from error
    return Source("hub", source.place, commit)
