"""All connections of a server: how many there may be, which have stalled, and how they end."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import Counter
from typing import Protocol

from trtserve.protocols.budget import Budget

# Every connection reads into this: the loop reads one at a time and nothing of a read outlives it.
_SCRATCH_BYTES = 256 * 1024
scratch = memoryview(bytearray(_SCRATCH_BYTES))
_LINGER_S = 1.0
_log = logging.getLogger("trtserve")


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
        self, max_connections: int, stall_timeout_s: float, budget: Budget | None = None,
        *, max_per_peer: int | None = None,
    ) -> None:  # fmt: skip
        """`max_per_peer`: connections from one address; None: half of all."""
        self._max_connections = max_connections
        self._max_per_peer = max(1, max_connections // 2) if max_per_peer is None else max_per_peer
        self._stall_timeout_s = stall_timeout_s
        self._open: dict[Connection, str] = {}  # -> its peer
        self._peers: Counter[str] = Counter()
        self._refused: set[str] = set()  # peers of which the log knows
        self.budget = budget or Budget()
        self.draining = False

    def __len__(self) -> int:
        return len(self._open)

    def enter(self, connection: Connection, transport: asyncio.Transport) -> bool:
        """Take a new connection in, unless there are too many, or too many of its peer's."""
        if len(self._open) >= self._max_connections:
            return False
        peer = peer_of(transport)
        if self._peers[peer] >= self._max_per_peer:
            if peer not in self._refused:
                self._refused.add(peer)
                _log.warning(
                    "%s has %d connections: more are closed at once (--max-connections-per-peer)",
                    peer, self._max_per_peer,
                )  # fmt: skip
            return False
        self._open[connection] = peer
        self._peers[peer] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """A connection is gone."""
        peer = self._open.pop(connection, None)
        if peer is None:
            return
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]  # else one is kept for every address that ever came
            self._refused.discard(peer)

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
        while (here := self._open.keys() & leaving) and loop.time() < end:
            if any(connection.busy for connection in here):
                busy_until = loop.time()
            elif loop.time() > busy_until + _LINGER_S:
                break
            await asyncio.sleep(0.01)
        complete = not any(connection.busy for connection in here)
        for connection in list(self._open):
            connection.abort()
        return complete


def peer_of(transport: asyncio.Transport) -> str:
    """Whom a connection is counted for: an address, of IPv6 the /64 that one host may have."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple) or not name:
        return ""  # not of a network, or it has gone already
    try:
        address = ipaddress.ip_address(str(name[0]).partition("%")[0])
    except ValueError:
        return str(name[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
