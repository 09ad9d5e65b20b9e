"""All connections of a server: how many there may be, which have stalled, and how they end."""

from __future__ import annotations

import asyncio
from typing import Protocol

from trtserve.protocols.budget import Budget

# Every connection reads into this: the loop reads one at a time and nothing of a read outlives it.
_SCRATCH_BYTES = 256 * 1024
scratch = memoryview(bytearray(_SCRATCH_BYTES))
_LINGER_S = 1.0


class Connection(Protocol):
    """What an HTTP/1.1 or HTTP/2 connection lets the server do to it."""

    @property
    def busy(self) -> bool:
        """Requests are under way, or answers not all sent."""

    def stalled(self, now: float, timeout_s: float) -> bool:
        """Whether the peer has left something undone for `timeout_s`; asked once a second."""

    def drain(self) -> None:
        """Take no more requests and close after the last answer."""

    def abort(self) -> None:
        """Close at once."""


class Connections:
    """The open connections. One of these for a whole server."""

    def __init__(
        self, max_connections: int, stall_timeout_s: float, budget: Budget | None = None
    ) -> None:
        self._max_connections = max_connections
        self._stall_timeout_s = stall_timeout_s
        self._open: set[Connection] = set()
        self.budget = budget or Budget()
        self.draining = False

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection) -> bool:
        """Take a new connection in, unless there are too many."""
        if len(self._open) >= self._max_connections:
            return False
        self._open.add(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """A connection is gone."""
        self._open.discard(connection)

    def abort_stalled(self, now: float) -> int:
        """Close those that stopped amid a request or an answer (slow loris). Returns how many."""
        stalled = [each for each in self._open if each.stalled(now, self._stall_timeout_s)]
        for connection in stalled:
            connection.abort()
        return len(stalled)

    async def drain(self, timeout_s: float) -> bool:
        """Let every connection finish. False: some had to be cut off after `timeout_s`.

        Those that come meanwhile are served, so that they hear how things are, but not waited for.
        Peers that have all their answers have a while to close: until then, see `Lingering`.
        """
        self.draining = True
        for connection in (leaving := list(self._open)):
            connection.drain()
        loop = asyncio.get_running_loop()
        end = busy_until = loop.time()
        end += timeout_s
        while (here := self._open.intersection(leaving)) and loop.time() < end:
            if any(connection.busy for connection in here):
                busy_until = loop.time()
            elif loop.time() > busy_until + _LINGER_S:
                break
            await asyncio.sleep(0.01)
        complete = not any(connection.busy for connection in here)
        for connection in list(self._open):
            connection.abort()
        return complete
