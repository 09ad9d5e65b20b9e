"""gRPC connections: the sans-I/O HTTP/2 connection on an asyncio transport."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from trtserve.protocols.grpc import GrpcApplication
from trtserve.protocols.http2 import Http2Connection
from trtserve.sockets.connections import Connections, scratch

# Up to this size, parts are joined into one write; above, they are written as they are.
_JOIN_BYTES = 64 * 1024


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
        self._flush_armed = False
        self._receiving = False
        self._last_read_s = 0.0
        self._paused_s: float | None = None  # since when the peer does not read
        # Answers come between reads: the first of a turn of the loop asks for one write of all.
        self._connection.wake = self._wake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do all that asyncio.Transport does without being its subclass.
        self._transport = transport = cast("asyncio.Transport", transport)
        self._last_read_s = time.monotonic()
        if not self._connections.enter(self):
            transport.abort()
            return
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return scratch

    def buffer_updated(self, nbytes: int) -> None:
        now = self._last_read_s = time.monotonic()
        self._receiving = True
        self._connection.receive(bytes(scratch[:nbytes]), now)
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
        if connection.closing:
            transport.close()

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
        self._connection.lost()

    # What `Connections` asks of every kind of connection

    @property
    def busy(self) -> bool:
        """Requests are under way."""
        return bool(self._connection.streams)

    def stalled_since(self) -> float | None:
        """Since when the peer has left something undone: reading answers, or a request."""
        if self._paused_s is not None:
            return self._paused_s
        if self._connection.incomplete:
            return self._last_read_s
        return None

    def drain(self) -> None:
        """Take no more requests and close after the last answer."""
        self._connection.drain()
        self._flush()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
