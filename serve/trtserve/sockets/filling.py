"""Large bodies: read to where they belong, without a copy."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import numpy as np

from trtserve.protocols.http1 import RequestReader
from trtserve.sockets.http1_application import Again

if TYPE_CHECKING:
    from trtserve.sockets.http1 import HttpProtocol


class _Reading(asyncio.BufferedProtocol):
    """A connection, but for where it reads to."""

    def __init__(self, connection: HttpProtocol) -> None:
        self._connection = connection
        self.eof_received = connection.eof_received  # type: ignore[method-assign]
        self.pause_writing = connection.pause_writing  # type: ignore[method-assign]
        self.resume_writing = connection.resume_writing  # type: ignore[method-assign]
        self.connection_lost = connection.connection_lost  # type: ignore[method-assign]


class Filling(_Reading):
    """What a connection is while it waits for the rest of a body."""

    def __init__(self, connection: HttpProtocol, reader: RequestReader) -> None:
        super().__init__(connection)
        self._reader = reader

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        space = self._reader.space()
        assert space is not None
        return space

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.filled(nbytes)


class Expecting(_Reading):
    """What a connection is between large requests with the same head.

    The first read already goes to where the whole request will be: most clients send the next one
    like the last, and those that do not pay with a copy.
    """

    def __init__(self, connection: HttpProtocol, again: Again) -> None:
        super().__init__(connection)
        self._again = again
        self._whole = memoryview(b"")

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  # asyncio's signature
        # Not before something is there to be read: idle connections hold no such memory.
        self._whole = np.empty(self._again.total, np.uint8).data
        return self._whole

    def buffer_updated(self, nbytes: int) -> None:
        whole, head = self._whole, self._again.request.head.raw
        self._whole = memoryview(b"")
        if nbytes >= len(head) and whole[: len(head)].tobytes() == head:
            self._connection.begun(self._again, whole, nbytes)
        else:
            self._connection.unexpected(whole[:nbytes].tobytes())
