"""HTTP/1.1 as uvicorn has it, for clients who send what is no HTTP, or send or read so slowly that they never end."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import sys
from http import HTTPStatus

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from lect_serve.refusals import RefusalError, body_of


def protocol_of(seconds: float) -> type[H11Protocol]:
    """What uvicorn makes for each connection.

    Args:
        seconds: in which the head of a request has to arrive, and some of an answer has to be read.
    """

    class Protocol(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _reading: asyncio.TimerHandle | None = None
        _unread = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._head = self.loop.call_later(seconds, self._too_late)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            is_whole = self.conn.their_state is not h11.IDLE
            if is_whole and self._head is not None:
                self._head.cancel()
                self._head = None
            elif not is_whole and self._head is None and not self.transport.is_closing():
                self._head = self.loop.call_later(seconds, self._too_late)

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._head, self._reading):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._unread = self.transport.get_write_buffer_size()
            self._reading = self.loop.call_later(seconds, self._check_reader)

        def resume_writing(self) -> None:
            super().resume_writing()
            if self._reading is not None:
                self._reading.cancel()
                self._reading = None

        def send_400_response(self, msg: str) -> None:
            error = sys.exc_info()[1]
            # Called where h11 refuses what came; it says what is wrong.
            status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
            # Not what came: it may be anything, and long.
            self._refuse(status, f"this is no HTTP/1.1: {str(error).partition(': bytearray')[0]}" if error else msg)

        def _refuse(self, status: int, what: str) -> None:
            refusal = RefusalError(what)
            refusal.status = status
            body = json.dumps(body_of("", refusal)).encode()
            head = [
                ("content-type", "application/json"), ("content-length", str(len(body))), ("connection", "close")
            ]  # fmt: skip
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                first = h11.Response(status_code=status, headers=head, reason=HTTPStatus(status).phrase.encode())
                for event in (first, h11.Data(data=body), h11.EndOfMessage()):
                    self.transport.write(self.conn.send(event) or b"")
            self.transport.close()

        def _too_late(self) -> None:
            self._head = None
            is_whole = self.conn.their_state is not h11.IDLE
            if is_whole or self.transport.is_closing():
                return
            if self.conn.trailing_data[0]:
                self._refuse(408, "the request did not arrive in time")
            else:
                self.transport.close()

        def _check_reader(self) -> None:
            """Give up a client who has read nothing since it was last looked."""
            unread = self.transport.get_write_buffer_size()
            if unread >= self._unread:
                # At once, or the system goes on offering what nobody reads.
                bound = self.transport.get_extra_info("socket")
                bound.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
                return
            self._unread = unread
            self._reading = self.loop.call_later(seconds, self._check_reader)

    return Protocol
