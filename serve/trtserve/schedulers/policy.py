"""What a scheduler is, and the batch it makes.

A scheduler decides which requests run together and when. It is told the time, never asks for it,
and starts nothing: `loop.py` does that. Times are nanoseconds of a monotonic clock.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from trtserve.errors import ServeError
from trtserve.request import Call, InferRequest


class Batch(NamedTuple):
    """Requests that run together."""

    requests: list[InferRequest]
    rows: int  # their batch dims together; the number of requests where the model does not batch
    call: Call | None = None  # the one call that they all make, where that is known


class Dropped(NamedTuple):
    """A request that will not run, and what its client is told."""

    request: InferRequest
    error: ServeError


class Scheduler(Protocol):
    """Requests in, batches out."""

    dropped: list[Dropped]  # the caller answers and empties it

    def __len__(self) -> int:
        """Requests that wait."""

    def add(self, request: InferRequest, now_ns: int) -> None:
        """Let a request wait its turn. Raises `ServeError` where there is no room for it."""

    def next_batch(self, now_ns: int) -> Batch | None:
        """What an idle instance should run now; None: nothing yet."""

    def full_batch(self) -> Batch | None:
        """What an instance should run next, if nothing that may still come would change it."""

    def cancel(self, request: InferRequest) -> None:
        """A request's client has left: if it waits, its place is free at once."""

    def settle(self, now_ns: int) -> None:
        """Take out what has expired, where no instance is idle to ask for more."""

    def deadline(self) -> int | None:
        """When `next_batch` would answer otherwise than now though nothing was added."""
