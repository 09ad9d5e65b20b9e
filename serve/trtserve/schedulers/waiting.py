"""Requests that wait, and when they expire: taking one out costs the same wherever it stands."""

from __future__ import annotations

import heapq
from collections import OrderedDict
from itertools import count
from operator import itemgetter

from trtserve.request import InferRequest

_FEW = 64  # numbers that are not worth being looked through


class Queue(OrderedDict[int, InferRequest]):
    """Requests in the order they came, by their `id()`."""

    def append(self, request: InferRequest) -> None:
        """Let it wait behind all others."""
        self[id(request)] = request

    def popleft(self) -> InferRequest:
        """Take the first one out. Raises `KeyError` where none waits."""
        return self.popitem(last=False)[1]

    def remove(self, request: InferRequest) -> bool:
        """Take it out. False: it was not here."""
        return self.pop(id(request), None) is not None


class Deadlines:
    """When requests expire. It knows them by number, so it keeps none of them in memory."""

    def __init__(self) -> None:
        # deadline, when it was noted (so that nothing behind is compared), id() and queue
        self._heap: list[tuple[int, int, int, Queue]] = []
        self._noted = count()
        self._look_at = _FEW

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, request: InferRequest, queue: Queue) -> None:
        """Note the deadline of what has just been queued."""
        if len(self._heap) >= self._look_at:
            self._forget()
        entry = (request.deadline_ns, next(self._noted), id(request), queue)
        heapq.heappush(self._heap, entry)

    def _forget(self) -> None:
        """Drop those that wait no more."""
        self._heap = [entry for entry in self._heap if _request(entry) is not None]
        heapq.heapify(self._heap)
        self._look_at = 2 * len(self._heap) + _FEW

    def next_ns(self) -> int | None:
        """The earliest deadline of a request that waits."""
        heap = self._heap
        while heap and _request(heap[0]) is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def expired(self, now_ns: int) -> list[InferRequest]:
        """What has waited too long, in the order it came, taken out of its queue."""
        heap, found = self._heap, []
        while heap and heap[0][0] <= now_ns:
            entry = heapq.heappop(heap)
            request = _request(entry)
            if request is not None:
                entry[3].remove(request)
                found.append((entry[1], request))
        return [request for _, request in sorted(found, key=itemgetter(0))]


def _request(entry: tuple[int, int, int, Queue]) -> InferRequest | None:
    """The request that a deadline was noted for, while it waits.

    Its number may be another's by now, which then expires when this one would have, or is not it.
    """
    deadline_ns, _, number, queue = entry
    request = queue.get(number)
    return request if request is not None and request.deadline_ns == deadline_ns else None
