"""The default scheduler: each request runs alone, in the order they came."""

from __future__ import annotations

from trtserve.errors import Kind, ServeError
from trtserve.request import InferRequest
from trtserve.schedulers.policy import Batch, Dropped
from trtserve.schedulers.waiting import Queue


class DirectScheduler:
    """First in, first out, one request a batch."""

    def __init__(self) -> None:
        self._waiting = Queue()
        self.dropped: list[Dropped] = []

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, request: InferRequest, now_ns: int) -> None:  # noqa: ARG002  # nothing expires
        """Let a request wait its turn."""
        self._waiting.append(request)

    def next_batch(self, now_ns: int) -> Batch | None:  # noqa: ARG002  # nothing waits for time
        """The oldest request."""
        if not self._waiting:
            return None
        request = self._waiting.popleft()
        return Batch([request], request.call.rows, request.call)

    def full_batch(self) -> Batch | None:
        """The oldest request, too: whatever comes is behind it."""
        return self.next_batch(0)

    def cancel(self, request: InferRequest) -> None:
        """Take a waiting request out."""
        request.cancelled = True
        if self._waiting.remove(request):
            self.dropped.append(Dropped(request, cancelled()))

    def settle(self, now_ns: int) -> None:
        """Nothing expires."""

    def deadline(self) -> int | None:
        """Nothing here depends on time."""
        return None


def cancelled() -> ServeError:
    """What nobody hears. New each time: an error raised twice holds the frames of both."""
    return ServeError(Kind.CANCELLED, "the request was cancelled")
