"""gRPC connections: the sans-I/O HTTP/2 connection on an asyncio transport."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from trtserve.protocols.budget import Share
from trtserve.protocols.grpc import GrpcApplication
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_frames import PROBE
from trtserve.protocols.http2_streams import nothing
from trtserve.protocols.pace import Pace
from trtserve.sockets.connections import Connections, scratch
from trtserve.sockets.leaving import HalfClosed, Lingering

# Up to this size, parts are joined into one write; above, they are written as they are.
_JOIN_BYTES = 64 * 1024
# Reads of this size and more hold large messages, which are copied to where they belong.
_COPY_BYTES = 32 * 1024


class GrpcProtocol(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(
        self, application: GrpcApplication, connections: Connections,
        loop: asyncio.AbstractEventLoop,
    ) -> None:  # fmt: skip
        self._connection = Http2Connection(application)
        self._connections = connections
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._space: memoryview | None = None  # what is being read into, where not `scratch`
        self._flush_armed = False
        self._receiving = False
        self._paused = False  # the peer does not read its answers
        self._unsent = Share(connections.budget)  # answers that it has to read, or to allow
        self._pace = Pace()
        self._half_closed: HalfClosed | None = None
        self._ending = False
        # Answers come between reads: the first of a turn of the loop asks for one write of all.
        self._connection.wake = self._wake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio.Transport does without being its subclass.
        self._transport = transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":
            transport.abort()  # RFC 9113, 3.2; gRPC's own servers do the same
            return
        if not self._connections.enter(self, transport):
            transport.abort()
            return
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        space = self._space = self._connection.space()
        return scratch if space is None else space

    def buffer_updated(self, nbytes: int) -> None:
        now = time.monotonic()
        self._receiving = True
        space, self._space = self._space, None  # what is kept here would keep the whole message
        if space is not None:
            self._connection.filled(nbytes, now)
        elif nbytes < _COPY_BYTES:  # of what is small, messages are views
            self._connection.receive(bytes(scratch[:nbytes]), now)
        else:
            self._connection.receive(scratch[:nbytes], now)
        self._receiving = False
        self._flush()

    def _wake(self) -> None:
        if not self._receiving and not self._flush_armed:
            self._flush_armed = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_armed = False
        transport = self._transport
        connection = self._connection
        out = connection.out
        if transport is None or transport.is_closing():
            return
        if out:
            connection.out = []
            if sum(map(len, out)) <= _JOIN_BYTES:
                transport.write(b"".join(out))
            else:
                transport.writelines(out)
        if self._paused or connection.unsent_bytes or self._unsent.held_bytes:
            self._charge(transport)
        if connection.closing and not self._ending:
            self._ending = True
            self._close(transport)

    def _charge(self, transport: asyncio.Transport) -> None:
        written = transport.get_write_buffer_size() if self._paused else 0
        self._unsent.set(written + self._connection.unsent_bytes)

    def _close(self, transport: asyncio.Transport) -> None:
        if self._half_closed is not None:
            transport.close()
        elif self._connection.failed:
            Lingering(transport, self._loop, self.connection_lost)
        else:
            Lingering(transport, self._loop, self.connection_lost, None)

    def eof_received(self) -> bool:
        """The client sends no more. It still gets the answers to what it has sent."""
        self._receiving = True
        self._connection.peer_ended()
        self._receiving = False
        transport = self._transport
        if transport is None or self._connection.closing or not transport.can_write_eof():
            return False  # TLS has no halves
        self._half_closed = HalfClosed(transport, self._loop, PROBE)
        self._flush()
        return True

    def pause_writing(self) -> None:
        """The peer does not read: read nothing more from it either."""
        self._paused = True
        if self._transport is not None:
            self._charge(self._transport)
            if self._half_closed is None:
                self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._charge(self._transport)
            if self._half_closed is None:
                self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # the same
        self._connections.leave(self)
        self._transport = self._space = None
        self._unsent.set(0)
        if self._half_closed is not None:
            self._half_closed.end()
        self._connection.lost()
        self._connection.out = []  # answers that came in this turn of the loop
        self._connection.wake = nothing

    # What `Connections` asks of every kind of connection

    @property
    def busy(self) -> bool:
        """Requests are under way, or answers not all sent."""
        transport = self._transport
        unsent = transport is not None and transport.get_write_buffer_size() > 0
        return unsent or bool(self._connection.streams)

    def stalled(self, now: float, timeout_s: float) -> bool:
        """Whether the peer goes on too slowly with its answers or a frame; single streams end."""
        self._connection.reset_stalled(now, timeout_s)
        self._flush()
        if self._transport is not None and self._paused:
            unsent = self._transport.get_write_buffer_size()
            return self._pace.stalled("answers", -unsent, now, timeout_s)
        frame, received = self._connection.torn
        return self._pace.stalled(frame, received, now, timeout_s)

    def drain(self) -> None:
        """Take no more requests and close after the last answer."""
        if self._ending and self._transport is not None:
            self._transport.close()
        self._connection.drain()
        self._flush()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
