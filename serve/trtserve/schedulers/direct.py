"""The default scheduler: each request runs alone, in the order they came."""

from __future__ import annotations

from collections import deque

from trtserve.errors import Kind, ServeError
from trtserve.request import InferRequest
from trtserve.schedulers.policy import Batch, Dropped


class DirectScheduler:
    """First in, first out, one request a batch."""

    def __init__(self) -> None:
        self._waiting: deque[InferRequest] = deque()
        self._cancelled = 0  # of those in _waiting
        self.dropped: list[Dropped] = []

    def __len__(self) -> int:
        return len(self._waiting) - self._cancelled

    def add(self, request: InferRequest, now_ns: int) -> None:  # noqa: ARG002  # nothing expires
        """Let a request wait its turn."""
        self._waiting.append(request)

    def next_batch(self, now_ns: int) -> Batch | None:  # noqa: ARG002  # nothing waits for time
        """The oldest request."""
        while self._waiting:
            request = self._waiting.popleft()
            if not request.cancelled:
                return Batch([request], request.call.rows)
            self._cancelled -= 1
            self.dropped.append(Dropped(request, CANCELLED))
        return None

    def cancel(self, request: InferRequest) -> None:
        """Forget a waiting request, lazily: it is skipped when its turn comes."""
        if not request.cancelled:
            request.cancelled = True
            self._cancelled += 1

    def settle(self, now_ns: int) -> None:  # noqa: ARG002  # nothing expires
        """Take out what was cancelled."""
        if self._cancelled:
            self.dropped += [Dropped(each, CANCELLED) for each in self._waiting if each.cancelled]
            self._waiting = deque(each for each in self._waiting if not each.cancelled)
            self._cancelled = 0

    def deadline(self) -> int | None:
        """Nothing here depends on time."""
        return None


CANCELLED = ServeError(Kind.CANCELLED, "the request was cancelled")
