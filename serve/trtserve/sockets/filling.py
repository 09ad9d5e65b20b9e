"""Bodies that come in several reads: to where they belong, without a copy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trtserve.protocols.http1 import RequestReader

if TYPE_CHECKING:
    from trtserve.sockets.http1 import HttpProtocol


class Filling(asyncio.BufferedProtocol):
    """What a connection is while it waits for the rest of a body."""

    def __init__(self, connection: HttpProtocol, reader: RequestReader) -> None:
        self._connection = connection
        self._reader = reader
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        space = self._reader.space()
        assert space is not None
        return space

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.filled(nbytes)
