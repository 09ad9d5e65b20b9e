"""Peers that send no more, and peers that should not: ending a connection without losing bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from trtserve.sockets.connections import scratch

_LOOK_S = 0.05
_LINGER_S = 5.0


class HalfClosed:
    """Watches a peer that sends no more and still waits for answers: is it there to read them?

    Closing a socket and shutting down its sending half look the same from here, until something
    is written: a peer that is gone answers that with a reset. So `probe`, something harmless, is
    written first. Transports that do not read would not notice the reset: the socket is asked.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, probe: bytes
    ) -> None:
        self._transport = transport
        self._loop = loop
        # Most answers come before this and need no probe.
        self._timer = loop.call_later(_LOOK_S, self._write, probe)

    def _write(self, probe: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(probe)
            self._timer = self._loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        if self._transport.is_closing():
            return
        peer = self._transport.get_extra_info("socket")
        if peer is None or peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self._transport.abort()
        else:
            self._timer = self._loop.call_later(_LOOK_S, self._look)

    def end(self) -> None:
        """The connection is gone."""
        self._timer.cancel()


class Lingering(asyncio.BufferedProtocol):
    """What a connection becomes after its last answer, where the peer may still be sending.

    To close a socket with unread bytes is to reset it, and a peer that meets the reset may give up
    the answer unread: what still comes is read and dropped, until the peer closes, or `limit_s`
    (RFC 9112, section 9.6). Without a limit, somebody else aborts the transport.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop,
        lost: Callable[[Exception | None], None], limit_s: float | None = _LINGER_S,
    ) -> None:  # fmt: skip
        self._lost = lost
        transport.set_protocol(self)
        transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        else:  # TLS has no halves: closing says the end, then waits for the peer's
            transport.close()
        self._timer = loop.call_later(limit_s, transport.abort) if limit_s else None

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Dropped."""

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._lost(exc)
