"""Large bodies: read to where they belong, without a copy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trtserve.protocols.http1 import RequestReader
from trtserve.sockets.connections import scratch
from trtserve.sockets.http1_application import Again

if TYPE_CHECKING:
    from trtserve.sockets.http1 import HttpProtocol


class Placing(asyncio.BufferedProtocol):
    """How a connection reads once it has had a large body.

    What is left of a body goes to the body's memory. Of a request like the last large one, which
    most clients send next, all tensors go there: how long its head and JSON are is known, and so
    much is read first. Clients that send something else pay with a copy.
    """

    def __init__(self, connection: HttpProtocol, reader: RequestReader) -> None:
        self._connection = connection
        self._reader = reader
        self.awaited: Again | None = None  # a large request; nothing else is under way, or here
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        space = self._reader.space()
        if space is not None:
            return space
        return scratch if self.awaited is None else scratch[: len(self.awaited.start)]

    def buffer_updated(self, nbytes: int) -> None:
        if self._reader.space() is not None:
            self._connection.filled(nbytes)
            return
        data = scratch[:nbytes].tobytes()
        again, self.awaited = self.awaited, None
        if again is None or data != again.start or not self._connection.begun(again):
            self._connection.data_received(data)
