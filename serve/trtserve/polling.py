"""Staying awake for what comes at once: adaptive busy polling.

A thread that sleeps is woken late: an interrupt to an idle processor, and within a virtual machine
an exit to its host each, take 5 to 50 us, and what is woken starts with cold caches. A client that
sends its next request as soon as it has an answer, and a small model that answers at once, leave
the server nothing else to do meanwhile, so it looks again and again for up to `WINDOW_NS` instead.
Only where that has paid before, so that an idle server sleeps: a `Habit` learns it, also while
nobody stays awake. What it brings is in docs/benchmarks.md.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

from trtserve.processors import processors

# A client that answers at once takes about 100 us where processors are virtual: less than that
# leaves it to chance whether it is waited for.
WINDOW_NS = 200_000
# What took this long while its waiter slept may well come within the window to one who is awake.
_ASLEEP_NS = 2 * WINDOW_NS
_TRUST = 8  # failures in a row that end it, at most
_DISTRUST = 64  # successes that it then takes to try again
# With as many awake as there are processors, what they wait for might not get one.
give_way: Callable[[], None] = getattr(os, "sched_yield", lambda: None)


class Habit:
    """Whether one event usually follows another within the window."""

    def __init__(self) -> None:
        self._trust = 0
        self._since_ns = 0  # 0: nothing is waited for
        self._awake = False

    def begins(self, now_ns: int) -> bool:
        """Something is waited for from now on; whether it is worth staying awake for it."""
        if self._since_ns:
            self._learn(now_ns)
        self._since_ns = now_ns
        self._awake = self._trust > 0
        return self._awake

    def came(self, now_ns: int) -> None:
        """It is there."""
        if self._since_ns:
            self._learn(now_ns)
            self._since_ns = 0

    def _learn(self, now_ns: int) -> None:
        passed_ns = now_ns - self._since_ns
        if passed_ns < (WINDOW_NS if self._awake else _ASLEEP_NS):
            self._trust = min(_TRUST, self._trust + 1)
        elif self._awake:
            self._trust = self._trust - 1 or -_DISTRUST


class AwakeLoop:
    """Keeps one event loop from sleeping: it looks at its sockets and goes on at once."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._until_ns = 0
        self._turning = False
        self._pays = processors() >= 2

    def stay(self, now_ns: int) -> None:
        """Do not sleep for the window from now on."""
        if self._pays:
            self._until_ns = now_ns + WINDOW_NS
            if not self._turning:
                self._turning = True
                self._loop.call_soon(self._turn)

    def rest(self) -> None:
        """What was waited for is there."""
        self._until_ns = 0

    def _turn(self) -> None:
        if time.monotonic_ns() < self._until_ns:
            give_way()
            self._loop.call_soon(self._turn)
        else:
            self._turning = False
