"""HTTP/1.1 connections: the sans-I/O reader on an asyncio transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, cast

from trtserve.protocols.http1 import CONTINUE, HttpError, HttpRequest, RequestReader, response_head
from trtserve.protocols.v2_json import error_body
from trtserve.request import Buffer
from trtserve.sockets.connections import Connections, scratch

_JOIN_BYTES = 64 * 1024
# A client may send the next request before it has the answer; more than this has to wait.
_MAX_PIPELINED_BYTES = 64 * 1024
JSON = (("Content-Type", "application/json"),)


class HttpApplication(Protocol):
    """Who serves the requests."""

    max_body_bytes: int

    def handle(self, request: HttpRequest, exchange: HttpProtocol, started_ns: int) -> None:
        """Answer `request` through `exchange.respond` or `exchange.write`, now or later."""


class HttpProtocol(asyncio.BufferedProtocol):
    """One connection. It serves one request at a time, in order."""

    def __init__(self, application: HttpApplication, connections: Connections) -> None:
        self._application = application
        self._reader = RequestReader(application.max_body_bytes)
        self._connections = connections
        self._transport: asyncio.Transport | None = None
        self._request: HttpRequest | None = None  # under way
        self._last_read_s = 0.0
        self._paused_s: float | None = None  # since when the peer does not read
        self._advancing = False
        self._close_after = False
        self.on_cancel: Callable[[], None] | None = None  # the client has left amid a request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio.Transport does without being its subclass.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._last_read_s = time.monotonic()
        if not self._connections.enter(self):
            transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        space = self._reader.space()
        return scratch if space is None else space

    def buffer_updated(self, nbytes: int) -> None:
        now_ns = time.monotonic_ns()
        self._last_read_s = now_ns / 1e9
        if self._reader.space() is None:
            self._reader.receive(bytes(scratch[:nbytes]))
        else:
            self._reader.filled(nbytes)
        if self._request is None:
            self._advance(now_ns)
        elif self._reader.buffered_bytes > _MAX_PIPELINED_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def _advance(self, now_ns: int) -> None:
        """Serve what is whole. Answers that come at once must not nest: hence the loop."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while self._request is None and not self._close_after:
                request = self._reader.next_request()
                if request is None:
                    self._ask_for_body()
                    break
                self._request = request
                self._application.handle(request, self, now_ns)
        except HttpError as error:
            self._close_after = True
            self._request = None
            body = error_body(error.message)
            self._send(response_head(error.status, JSON, len(body), keep_alive=False), [body])
        finally:
            self._advancing = False

    def _ask_for_body(self) -> None:
        if self._reader.continue_wanted:
            self._reader.continue_wanted = False
            if self._transport is not None:
                self._transport.write(CONTINUE)

    # What the application answers with

    def respond(
        self, status: int, headers: Iterable[tuple[str, str]], parts: Sequence[Buffer]
    ) -> None:
        """The whole answer to the request under way."""
        request = self._request
        if request is None:
            return
        keep = request.head.keep_alive and not self._connections.draining
        length = sum(map(len, parts))
        head = response_head(status, headers, length, keep_alive=keep)
        self.write(head, () if request.head.method == "HEAD" else parts)

    def write(self, head: bytes, parts: Sequence[Buffer]) -> None:
        """An answer whose head is made already and lets the connection live on."""
        request = self._request
        if request is None:
            return
        self._request = None
        self.on_cancel = None
        if not request.head.keep_alive or self._connections.draining:
            self._close_after = True
        self._send(head, parts)
        if not self._close_after:
            if self._reader.buffered_bytes:
                self._continue()
            elif self._connections.draining:
                self.drain()

    def _continue(self) -> None:
        if self._transport is not None and not self._paused_s:
            self._transport.resume_reading()
        self._advance(time.monotonic_ns())

    def _send(self, head: bytes, parts: Sequence[Buffer]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if sum(map(len, parts)) <= _JOIN_BYTES:
            transport.write(b"".join((head, *parts)))
        else:
            transport.writelines((head, *parts))
        if self._close_after:
            transport.close()

    # What the transport tells

    def eof_received(self) -> bool:
        """The client has left: it closes both directions alike, and its request is cancelled."""
        return False

    def pause_writing(self) -> None:
        """The peer does not read: read nothing more from it either."""
        self._paused_s = time.monotonic()
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused_s = None
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the same
        self._connections.leave(self)
        self._transport = None
        self._request = None
        cancel, self.on_cancel = self.on_cancel, None
        if cancel is not None:
            cancel()

    # What `Connections` asks of every kind of connection

    @property
    def busy(self) -> bool:
        """A request is under way."""
        return self._request is not None or not self._reader.idle

    def stalled_since(self) -> float | None:
        """Since when the peer has left something undone: reading an answer, or a request."""
        if self._paused_s is not None:
            return self._paused_s
        if self._request is None and not self._reader.idle:
            return self._last_read_s
        return None

    def drain(self) -> None:
        """Close when nothing is under way; otherwise the last answer does."""
        if not self.busy and self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
