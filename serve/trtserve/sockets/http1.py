"""HTTP/1.1 connections: the sans-I/O reader on an asyncio transport."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from trtserve.errors import Kind, ServeError
from trtserve.protocols.budget import Share
from trtserve.protocols.http1 import CLOSE, CONTINUE, HttpRequest, RequestReader, response_head
from trtserve.protocols.http1_head import HttpError
from trtserve.protocols.pace import Pace
from trtserve.protocols.v2_json import error_body
from trtserve.request import Buffer, Call
from trtserve.sockets.connections import Connections
from trtserve.sockets.http1_application import Again, HttpApplication
from trtserve.sockets.leaving import HalfClosed, Lingering
from trtserve.sockets.placing import Placing

_JOIN_BYTES = 64 * 1024
# A client may send the next request before it has the answer; more than this has to wait.
_MAX_PIPELINED_BYTES = 64 * 1024
JSON = (("Content-Type", "application/json"),)


class HttpProtocol(asyncio.Protocol):
    """One connection. It serves one request at a time, in order."""

    def __init__(self, application: HttpApplication, connections: Connections) -> None:
        self._application = application
        self._reader = RequestReader(application.max_body_bytes, connections.budget)
        self._connections = connections
        self._budget = connections.budget
        self._transport: asyncio.Transport | None = None
        self._request: HttpRequest | None = None  # under way
        self._served = 0  # requests that were begun
        self._paused = False  # the peer does not read its answer
        self._unsent = Share(connections.budget)  # of that answer
        self._pace = Pace()
        self._advancing = False
        self._close_after = False
        self._half_closed: HalfClosed | None = None
        # What to call if the client leaves amid the request, and with what.
        self.on_cancel: tuple[Callable[[Any], object], Any] | None = None
        # The application's: what it expects to come next, and what the last request asked.
        self.expected: Again | None = None
        self.last_call: Call | None = None
        self._again: Again | None = None  # the same, if small, as long as nothing is here
        self._placing: Placing | None = None  # reads for this connection, if there
        self._begun: Again | None = None  # the request that `_reader` reads the tensors of

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio.Transport does without being its subclass.
        self._transport = transport = cast("asyncio.Transport", transport)
        if not self._connections.enter(self, transport):
            transport.abort()

    def data_received(self, data: bytes) -> None:
        now_ns = time.monotonic_ns()
        again = self._again
        if (
            again is not None
            and again.total == len(data)
            and data.startswith(again.start)
            and self._request is None
            and not self._paused
            and self._budget.used_bytes < self._budget.limit_bytes
        ):
            self._request = again.request
            self._served += 1
            if again.serve(data, now_ns):
                return
            self._request = None
        self._again = None
        self._reader.receive(data)
        if self._request is None and not self._paused:
            self._advance(now_ns)
        elif self._reader.buffered_bytes > _MAX_PIPELINED_BYTES and self._transport is not None:
            self._transport.pause_reading()

    def begun(self, again: Again) -> bool:
        """Head and JSON of a large request are as expected: its tensors get their memory.

        False: nothing is left for them, or the same bytes may mean something else by now.
        """
        if self._budget.full or not again.current:
            return False
        self._reader.begin(again.request.head, again.total - len(again.start))
        self._begun = again
        return True

    def filled(self, count: int) -> None:
        """So many bytes of a body were read to where they belong."""
        self._reader.filled(count)
        if self._request is None and not self._paused:
            self._advance(time.monotonic_ns())

    def _advance(self, now_ns: int) -> None:
        """Serve what is whole. Answers that come at once must not nest: hence the loop."""
        if self._advancing:
            return
        self._advancing = True
        try:
            # Whoever does not read its answers gets no more of them: they would pile up here.
            while self._request is None and not self._close_after and not self._paused:
                request = self._reader.next_request()
                if request is None:
                    self._ask_for_body()
                    break
                self._request = request
                self._served += 1
                again, self._begun = self._begun, None
                if again is None:
                    self._application.handle(request, self, now_ns)
                elif not again.serve(request.body, now_ns):
                    self._request = request = _with_json(request, again)
                    self._application.handle(request, self, now_ns)
            if self._reader.space() is not None:
                self._place()
        except HttpError as error:
            self._refuse(error)
        finally:
            self._advancing = False

    def _place(self) -> None:
        """Read bodies to where they belong from now on."""
        transport = self._transport
        if self._placing is None and transport is not None and transport.get_protocol() is self:
            self._placing = Placing(self, self._reader)
            transport.set_protocol(self._placing)

    def _ask_for_body(self) -> None:
        if self._half_closed is not None:
            self._end_half_closed()
        elif self._reader.continue_wanted:
            self._reader.continue_wanted = False
            if self._transport is not None:
                self._transport.write(CONTINUE)

    def _refuse(self, error: HttpError) -> None:
        """Answer what is no request, and end."""
        self._request = self._begun = None
        self._reader.abandon()
        body = error_body(error.message)
        self._send(
            response_head(error.status, JSON, len(body), keep_alive=False), [body], len(body)
        )
        self._close_after = True
        transport = self._transport
        if transport is not None and not transport.is_closing():
            Lingering(transport, asyncio.get_running_loop(), self.connection_lost)

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
        """An answer whose head is made already."""
        request = self._request
        if request is None:
            return
        self._request = None
        self.on_cancel = None
        self._reader.release()
        if not request.head.keep_alive or self._connections.draining:
            self._close_after = True
            if CLOSE not in head:  # most heads are made for all connections at once
                head = head.replace(b"\r\n", b"\r\n" + CLOSE, 1)
        size = sum(map(len, parts))
        if size > _JOIN_BYTES and self._connections.budget.full:
            self._refuse(HttpError(503, self._connections.budget.refusal))
            return
        self._send(head, parts, size)
        if not self._close_after:
            if self._reader.buffered_bytes:
                self._continue()
            elif self._half_closed is not None:
                self._end_half_closed()
            elif self._connections.draining:
                self.drain()
            else:
                self._expect()

    def _expect(self) -> None:
        """Nothing is under way: what comes next is probably what the application expects."""
        again = self.expected
        if again is None or not again.large:
            self._again = again
        else:
            self._place()
            if self._placing is not None:
                self._placing.awaited = again

    def write_again(self, head: bytes, data: Buffer) -> None:
        """`write(head, [data])` with a head for connections that go on, to what was expected.

        Most answers take this way: nothing is to be released, or looked at twice.
        """
        transport = self._transport
        if (
            self._request is None
            or transport is None
            or self._connections.draining
            or self._half_closed is not None
            or self._again is None  # more has come
            or len(data) > _JOIN_BYTES
            or transport.is_closing()
        ):
            self.write(head, [data])
            return
        self._request = self.on_cancel = None
        transport.write(head + data)

    def hold(self, count: int) -> None:
        """The request under way became `count` bytes. Raises `ServeError` if they are too many."""
        try:
            self._reader.hold(count)
        except HttpError as error:
            raise ServeError(Kind.UNAVAILABLE, error.message) from None

    def _continue(self) -> None:
        if self._transport is not None and not self._paused and self._half_closed is None:
            self._transport.resume_reading()
        self._advance(time.monotonic_ns())

    def _send(self, head: bytes, parts: Sequence[Buffer], size: int) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if size <= _JOIN_BYTES:
            transport.write(head + parts[0] if len(parts) == 1 else b"".join((head, *parts)))
        else:
            transport.writelines((head, *parts))
        if self._close_after:
            self._end(transport, asked=not self._connections.draining)

    def _end(self, transport: asyncio.Transport, *, asked: bool) -> None:
        """Close after what was sent. `asked`: the client has said that it sends no more."""
        if asked or self._half_closed is not None:
            transport.close()
        else:
            self._reader.abandon()
            Lingering(transport, asyncio.get_running_loop(), self.connection_lost, None)

    # What the transport tells

    def eof_received(self) -> bool:
        """The client sends no more. It still gets the answers to what it has sent."""
        transport = self._transport
        if transport is None or self._close_after or not transport.can_write_eof():
            return False  # TLS has no halves
        if self._request is None and not self._paused:
            self._end_half_closed()
            return False
        # Clients skip what is below 200 (RFC 9110, section 15.2), but for those of HTTP/1.0.
        modern = self._request is not None and self._request.head.version == "1.1"
        loop = asyncio.get_running_loop()
        self._half_closed = HalfClosed(transport, loop, CONTINUE if modern else b"")
        return True

    def _end_half_closed(self) -> None:
        """All that came whole was answered; the rest of a torn request never comes."""
        self._close_after = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if not self._reader.idle:
            body = error_body("the connection ended within a request")
            transport.write(response_head(400, JSON, len(body), keep_alive=False) + body)
        transport.close()

    def pause_writing(self) -> None:
        """The peer does not read: read nothing more from it either."""
        assert self._transport is not None
        self._paused = True
        self._unsent.set(self._transport.get_write_buffer_size())
        if self._half_closed is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._unsent.set(0)
        transport = self._transport
        if transport is not None and not transport.is_closing():
            if self._half_closed is None:
                transport.resume_reading()
            if self._request is None:
                self._advance(time.monotonic_ns())

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the same
        self._connections.leave(self)
        self._transport = None
        self._request = self.expected = self._again = self._begun = self._placing = None
        self._reader.abandon()
        self._unsent.set(0)
        if self._half_closed is not None:
            self._half_closed.end()
        cancel, self.on_cancel = self.on_cancel, None
        if cancel is not None:
            cancel[0](cancel[1])

    # What `Connections` asks of every kind of connection

    @property
    def _serving(self) -> bool:
        """A request is under way."""
        return self._request is not None or not self._reader.idle

    @property
    def busy(self) -> bool:
        """A request is under way, or its answer not all sent."""
        transport = self._transport
        return self._serving or (transport is not None and transport.get_write_buffer_size() > 0)

    def stalled(self, now: float, timeout_s: float) -> bool:
        """Whether the peer goes on too slowly with reading its answer or sending its request."""
        transport = self._transport
        if transport is not None and self._paused:
            unsent = transport.get_write_buffer_size()
            return self._pace.stalled(("answer", self._served), -unsent, now, timeout_s)
        if self._request is None and not self._reader.idle:
            received = self._reader.received_bytes
            return self._pace.stalled(("request", self._served), received, now, timeout_s)
        return self._pace.stalled(None, 0, now, timeout_s)

    def drain(self) -> None:
        """Close when nothing is under way, once all is sent; otherwise the last answer does."""
        transport = self._transport
        if transport is not None and not self._serving and not transport.is_closing():
            self._end(transport, asked=False)

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()


def _with_json(request: HttpRequest, again: Again) -> HttpRequest:
    """The whole of a request of which only the tensors were read."""
    return HttpRequest(request.head, again.start[len(request.head.raw) :] + request.body)
