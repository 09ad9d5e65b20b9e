"""Answers in the order of their requests: `preserve_ordering` of a config's `dynamic_batching`.

As Triton's dynamic batcher does it (core/src/dynamic_batch_scheduler.cc, DelegateResponse): each
request takes a turn when it is queued, and an answer is held back until all earlier ones are out,
errors, timeouts and cancelled requests included. It changes nothing about which requests run when.
What it costs: one object a request, and an answer waits for the slowest before it. A version
without the option does not come through here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from trtserve.errors import ServeError
from trtserve.request import InferRequest, InferResponse, Reply
from trtserve.schedulers.direct import cancelled


class _Turn:
    """One request's place in the order, and its answer once it is there."""

    __slots__ = ("_release", "answer", "reply", "request")

    def __init__(self, request: InferRequest, reply: Reply, release: Callable[[], None]) -> None:
        self.request = request
        self.reply = reply
        self.answer: InferResponse | ServeError | None = None
        self._release = release

    def arrived(self, _request: InferRequest, answer: InferResponse | ServeError) -> None:
        self.answer = cancelled() if self.request.cancelled else answer
        self.request.data = ()  # the answer may wait long: tensors of clients that left are no use
        self._release()


class Order:
    """The turns of one version's requests."""

    def __init__(self) -> None:
        self._turns: deque[_Turn] = deque()

    def __len__(self) -> int:
        return len(self._turns)

    def enter(self, request: InferRequest) -> None:
        """Give a queued request its turn; from here on its answer is held back until then."""
        assert request.reply is not None, "a request is queued before it is answered"
        turn = _Turn(request, request.reply, self._release)
        request.reply = turn.arrived
        self._turns.append(turn)

    def _release(self) -> None:
        turns = self._turns
        while turns and (answer := turns[0].answer) is not None:
            turn = turns.popleft()
            turn.reply(turn.request, answer)


def in_order(submit: Callable[[InferRequest], None]) -> Callable[[InferRequest], None]:
    """`submit` for requests that are answered in the order in which they were queued.

    One that is refused at once takes no turn.
    """
    order = Order()

    def submit_in_order(request: InferRequest) -> None:
        submit(request)
        order.enter(request)

    return submit_in_order
