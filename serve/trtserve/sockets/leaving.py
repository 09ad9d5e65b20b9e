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
    """What a connection becomes after an answer that ends it amid a request.

    To close a socket with unread bytes is to reset it, and a reset may overtake the answer: what
    still comes is read and dropped for a while (RFC 9112, section 9.6).
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop,
        lost: Callable[[Exception | None], None],
    ) -> None:  # fmt: skip
        self._lost = lost
        transport.set_protocol(self)
        transport.resume_reading()
        transport.write_eof()
        self._timer = loop.call_later(_LINGER_S, transport.abort)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        return scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Dropped."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._lost(exc)
