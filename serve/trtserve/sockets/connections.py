"""All connections of a server: how many there may be, which have stalled, and how they end."""

from __future__ import annotations

import asyncio
from typing import Protocol

# Every connection reads into this: the loop reads one at a time and nothing of a read outlives it.
_SCRATCH_BYTES = 256 * 1024
scratch = memoryview(bytearray(_SCRATCH_BYTES))


class Connection(Protocol):
    """What an HTTP/1.1 or HTTP/2 connection lets the server do to it."""

    @property
    def busy(self) -> bool:
        """Requests are under way."""

    def stalled_since(self) -> float | None:
        """When the peer last sent a byte of a request it has begun; None: it has begun none."""

    def drain(self) -> None:
        """Take no more requests and close after the last answer."""

    def abort(self) -> None:
        """Close at once."""


class Connections:
    """The open connections. One of these for a whole server."""

    def __init__(self, max_connections: int, stall_timeout_s: float) -> None:
        self._max_connections = max_connections
        self._stall_timeout_s = stall_timeout_s
        self._open: set[Connection] = set()
        self.draining = False

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection) -> bool:
        """Take a new connection in, unless there are too many."""
        if len(self._open) >= self._max_connections or self.draining:
            return False
        self._open.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)

    def abort_stalled(self, now: float) -> int:
        """Close those that stopped amid a request (slow loris). Returns how many."""
        stalled = [
            connection
            for connection in self._open
            if (since := connection.stalled_since()) is not None
            and now - since > self._stall_timeout_s
        ]
        for connection in stalled:
            connection.abort()
        return len(stalled)

    async def drain(self, timeout_s: float) -> bool:
        """Let every connection finish. False: some had to be cut off after `timeout_s`."""
        self.draining = True
        for connection in list(self._open):
            connection.drain()
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s
        while self._open and loop.time() < end:
            await asyncio.sleep(0.01)
        complete = not any(connection.busy for connection in self._open)
        for connection in list(self._open):
            connection.abort()
        return complete
