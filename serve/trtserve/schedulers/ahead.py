"""Batches made ahead: an instance begins the next one without waiting for the event loop.

From the end of a batch to the start of the next there are two switches between threads otherwise,
and the interpreter's lock changes hands with each: half a millisecond that the model stands still.
Only batches that nothing can change any more are made ahead (`Scheduler.full_batch`), so what runs
together, and in which order, is the same without it.
"""

from __future__ import annotations

from collections import deque

from trtserve.request import InferRequest
from trtserve.schedulers.policy import Batch


class Ahead:
    """The batches ahead of one model version; whichever of its instances is done first has them.

    The loop's thread puts, any thread takes: a deque's ends may be used by several at once. Who
    finds nothing tells the loop that it is idle, which looks here again: so nothing is left here
    beside an idle instance, whatever was put or put back meanwhile.
    """

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def requests(self) -> int:
        """How many are in these batches."""
        return sum([len(batch.requests) for batch in list(self._batches)])

    def put(self, batch: Batch) -> None:
        """Let a batch wait behind the others."""
        self._batches.append(batch)

    def put_back(self, batch: Batch) -> None:
        """Return what was taken."""
        self._batches.appendleft(batch)

    def take(self) -> Batch | None:
        """The first batch; None: there is none."""
        try:
            return self._batches.popleft()
        except IndexError:
            return None

    def withdraw(self, request: InferRequest) -> bool:
        """Take a request out of its batch, on the loop's thread. False: it is not here."""
        batches = []
        while (first := self.take()) is not None:
            batches.append(first)
        found = False
        for batch in batches:
            left = [each for each in batch.requests if each is not request]
            if len(left) == len(batch.requests):
                self.put(batch)
            else:
                found = True
                if left:
                    self.put(Batch(left, batch.rows - request.call.rows, batch.call))
        return found
