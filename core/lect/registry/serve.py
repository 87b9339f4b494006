"""A registry's folder over HTTP: `registry.toml` and what it lists, nothing else; with ETags and ranges."""

from __future__ import annotations

import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from lect.errors import RegistryError, UserError
from lect.registry.format import FILE, SIGNATURE
from lect.registry.paths import check_file_path


def open_server(folder: Path, host: str, port: int) -> ThreadingHTTPServer:
    """A server that is ready to serve.

    Raises:
        RegistryError: the folder is no registry, or the address cannot be listened on.
    """
    if not (folder / FILE).is_file():
        raise RegistryError(
            f"there is no {FILE} in this folder", where=str(folder), fix=f"start one with: lect registry build {folder}"
        )
    root = folder.resolve()

    class Handler(_Handler):
        folder = root

    try:
        return _Server((host, port), Handler)
    except OSError as error:
        raise RegistryError(
            f"cannot be listened on ({(error.strerror or str(error)).lower()})",
            where=f"{host}:{port}",
            fix="choose another --port",
        ) from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client may go away whenever it likes."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "lect"
    sys_version = ""
    # A client that asks and never reads must not hold a thread for ever.
    timeout = 60
    folder: Path

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        file = self._file()
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file.open("rb") as stream:
            state = stream.seek(0, 2), file.stat().st_mtime_ns
            tag = f'"{state[0]:x}-{state[1]:x}"'
            if self.headers.get("If-None-Match") == tag:
                self.send_response(HTTPStatus.NOT_MODIFIED)
                self.send_header("ETag", tag)
                self.end_headers()
                return
            self._send(stream, state[0], tag, with_body)

    def _send(self, stream: BinaryIO, size: int, tag: str, with_body: bool) -> None:
        asked = re.fullmatch(r"bytes=(\d{1,18})-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        if asked and start >= size:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(HTTPStatus.PARTIAL_CONTENT if asked else HTTPStatus.OK)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(size - start))
        self.send_header("ETag", tag)
        self.end_headers()
        if not with_body:
            return
        stream.seek(start)
        while block := stream.read(2**18):
            self.wfile.write(block)

    def _file(self) -> Path | None:
        path = unquote(urlsplit(self.path).path).removeprefix("/")
        try:
            check_file_path(path)
        except UserError:
            return None
        file = (self.folder / path).resolve()
        served = path in (FILE, SIGNATURE) or path.startswith(("components/", "plugins/"))
        return file if served and file.is_relative_to(self.folder) and file.is_file() else None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: what is asked for is nobody's business."""
