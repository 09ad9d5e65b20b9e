"""Known batches of a GPU, begun on the event loop's thread, which waits for them for a moment.

To hand a batch to a thread and back costs two switches and two hand-overs of the GIL: 140 us of
the 230 us that one client of a model of 16 floats waited for on an H200. A GPU that answers within
that time is waited for here. What it works on beside is not known here, so the wait has a limit: a
batch that is not done by then is waited for by a thread, and the next ones go there at once, the
more of them the oftener that happens.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import NamedTuple

from trtserve.backends.known import KnownBatch, KnownBatches
from trtserve.schedulers.policy import Batch

# About what handing a batch to a thread and back costs where the loop is busy. One try in 33 that
# lasts so long takes 7 us of each batch.
LIMIT_NS = 240_000
_FIRST, _MOST = 4, 32  # batches that go to a thread after one that was late


class Flight(NamedTuple):
    """A batch that was begun on the loop's thread."""

    known: KnownBatch
    started_ns: int
    over: bool  # its outputs are there


class _Size:
    """Batches of about one size: whether to wait for them here."""

    def __init__(self) -> None:
        self._for_threads = 0
        self._penalty = 0

    def here(self) -> bool:
        """Whether the next one is begun here."""
        if self._for_threads:
            self._for_threads -= 1
            return False
        return True

    def ended(self, *, in_time: bool) -> None:
        """It has ended within the limit, or has not."""
        if in_time:
            self._penalty //= 2
        else:
            self._for_threads = self._penalty = min(_MOST, 2 * self._penalty or _FIRST)


class Glances:
    """Begins known batches of one instance. Used on the loop's thread alone."""

    def __init__(self, known: KnownBatches) -> None:
        self._known = known
        self._sizes: defaultdict[int, _Size] = defaultdict(_Size)  # by the bits of their rows

    def begin(self, batch: Batch) -> Flight | None:
        """Begin a batch and wait for a moment; None: it is for a thread, from the beginning."""
        known = self._known.like(batch)
        if known is None:
            return None
        size = self._sizes[batch.rows.bit_length()]
        if not size.here():
            return None
        started = time.monotonic_ns()
        try:
            known.begin(batch.requests)
            passed, until = known.bound.passed, started + LIMIT_NS
            over = passed()
            while not over and time.monotonic_ns() < until:
                over = passed()
        except Exception:  # the thread finds out what it is, and whose fault
            self._known.end()
            return None
        size.ended(in_time=over)
        return Flight(known, started, over)
