"""Dynamic batching: requests that came about the same time run as one batch.

Follows Triton's dynamic batcher (core/src/dynamic_batch_scheduler.cc, scheduler_utils.cc): batches
grow to the largest preferred size that the queue allows; where it allows none, requests wait up
to the queue delay. Once the oldest has waited that long, a batch is all that fits the model. The
delay is 0 unless the config sets it: an idle instance then runs at once what is there, and batches
grow only while every instance is busy. A delay that is set also holds up an idle instance: that
is what it is for, and nothing is added to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from trtserve.errors import Kind, ServeError
from trtserve.request import InferRequest
from trtserve.schedulers.direct import cancelled
from trtserve.schedulers.policy import Batch, Dropped
from trtserve.schedulers.waiting import Deadlines, Queue

_NS_PER_US = 1000


class QueuePolicy(NamedTuple):
    """`ModelQueuePolicy` of the config: how one priority level's queue behaves."""

    max_size: int = 0  # 0: no limit
    timeout_us: int = 0  # 0: none
    delay_expired: bool = False  # run what has expired after all others, instead of refusing it
    allow_override: bool = False  # a request may shorten its timeout


class Policy(NamedTuple):
    """`ModelDynamicBatching` of the config."""

    max_batch_size: int
    preferred: tuple[int, ...] = ()
    delay_us: int = 0
    levels: int = 0  # 0: there are no priorities
    default_level: int = 0
    default_queue: QueuePolicy = QueuePolicy()
    queues: dict[int, QueuePolicy] = {}  # noqa: RUF012  # never written; NamedTuple defaults are shared


def policy_from_config(config: Any) -> Policy:
    """The policy that a config's `dynamic_batching` states."""
    stated = config.dynamic_batching
    return Policy(
        max_batch_size=config.max_batch_size,
        preferred=tuple(sorted(stated.preferred_batch_size)),
        delay_us=stated.max_queue_delay_microseconds,
        levels=stated.priority_levels,
        default_level=stated.default_priority_level,
        default_queue=_queue_policy(stated.default_queue_policy),
        queues={level: _queue_policy(each) for level, each in stated.priority_queue_policy.items()},
    )


def _queue_policy(stated: Any) -> QueuePolicy:
    return QueuePolicy(
        max_size=stated.max_queue_size,
        timeout_us=stated.default_timeout_microseconds,
        delay_expired=stated.timeout_action == 1,  # DELAY
        allow_override=stated.allow_timeout_override,
    )


class _Level:
    """The waiting requests of one priority level; `late` are those that expired under DELAY."""

    def __init__(self, policy: QueuePolicy) -> None:
        self.policy = policy
        self.waiting = Queue()
        self.late = Queue()

    def __len__(self) -> int:
        return len(self.waiting) + len(self.late)


class DynamicScheduler:
    """Batches by preferred sizes, queue delay, priorities and timeouts."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._preferred = frozenset(policy.preferred)
        self._most = max(policy.preferred, default=policy.max_batch_size)
        self._delay_ns = policy.delay_us * _NS_PER_US
        numbers = range(1, policy.levels + 1) if policy.levels else (0,)
        self._levels = {
            number: _Level(policy.queues.get(number, policy.default_queue)) for number in numbers
        }
        self._in_order = [self._levels[number] for number in numbers]
        self._only = self._in_order[0] if len(numbers) == 1 else None
        self._greedy = None if self._delay_ns else self._only  # nothing says to wait for more
        queue = policy.default_queue if self._only is None else self._only.policy
        unlimited = self._only is not None and not queue.max_size and not queue.timeout_us
        # Where whatever is added waits without conditions; None: see `_add`.
        self._plain = self._only.waiting if self._only is not None and unlimited else None
        # The delay's end may allow more than the largest preferred size.
        self._fills_up = not self._delay_ns or self._most == policy.max_batch_size
        self._deadlines = Deadlines()
        self._wait_until_ns: int | None = None  # the batch that is growing runs at this time
        self.dropped: list[Dropped] = []

    def __len__(self) -> int:
        only = self._only
        if only is not None:
            return len(only.waiting) + len(only.late)
        return sum(map(len, self._in_order))

    def add(self, request: InferRequest, now_ns: int) -> None:
        """Queue a request at its priority. Raises `ServeError` where that queue is full."""
        if self._plain is not None:
            self._plain[id(request)] = request
        else:
            self._add(request, now_ns)

    def _add(self, request: InferRequest, now_ns: int) -> None:
        level = self._level(request) if self._only is None else self._only
        policy = level.policy
        if policy.max_size and len(level) >= policy.max_size:
            raise ServeError(Kind.UNAVAILABLE, "Exceeds maximum queue size")
        timeout_us = policy.timeout_us
        asked = request.call.timeout_us
        if policy.allow_override and 0 < asked < timeout_us:
            timeout_us = asked
        level.waiting.append(request)
        if timeout_us:
            request.deadline_ns = now_ns + timeout_us * _NS_PER_US
            self._deadlines.add(request, level.waiting)

    def _level(self, request: InferRequest) -> _Level:
        if not self._policy.levels:
            return self._in_order[0]
        return self._levels[request.call.priority or self._policy.default_level]

    def cancel(self, request: InferRequest) -> None:
        """Take a waiting request out; its place is free."""
        request.cancelled = True
        level = self._level(request)
        if level.waiting.remove(request) or level.late.remove(request):
            self.dropped.append(Dropped(request, cancelled()))

    def deadline(self) -> int | None:
        """When the growing batch has waited long enough, or a request expires."""
        growing, expires = self._wait_until_ns, self._deadlines.next_ns()
        if growing is None or expires is None:
            return expires if growing is None else growing
        return min(growing, expires)

    def next_batch(self, now_ns: int) -> Batch | None:
        """The batch to run now, None while there is nothing or it should grow."""
        if self._deadlines:
            self.settle(now_ns)
        self._wait_until_ns = None
        if self._greedy is not None and not self._greedy.late:
            waiting = self._greedy.waiting
            if not waiting:
                return None
            batch = self._alike(waiting)
            if batch is not None:
                return batch
        requests, rows, best, best_rows, closed = self._grown(self._most)
        if not requests:
            return None
        if self._delay_ns:
            run_at = min([request.started_ns for request in requests]) + self._delay_ns
            if now_ns >= run_at:
                if self._most < self._policy.max_batch_size:
                    requests, rows, *_ = self._grown(self._policy.max_batch_size)
                best = 0
            elif not best and not closed:
                self._wait_until_ns = run_at
                return None
        if best:
            del requests[best:]
            rows = best_rows
        self._remove(requests)
        return Batch(requests, rows)

    def full_batch(self) -> Batch | None:
        """The next batch, if it is one and stays the same whatever comes and however long it waits.

        Nothing in the queue may expire, be overtaken or count against a limit for that: Triton too
        prefetches only then (PriorityQueue::SupportPrefetching in core/src/scheduler_utils.cc).
        """
        waiting = self._plain
        if not waiting or not self._fills_up:
            return None
        rows, most = 0, self._most
        first = next(iter(waiting.values()))
        if len(waiting) * first.call.rows < most:  # nearly always right, and sooner than counting
            return None
        for request in waiting.values():
            rows += request.call.rows
            if rows >= most:
                return self.next_batch(request.started_ns)
        return None

    def _alike(self, waiting: Queue) -> Batch | None:
        """The batch to run now where it is requests that make the same call; None: find out.

        A short cut: what `_grown` and `_remove` come to, with next to nothing for each request.
        """
        some = self._most + 1  # and the one behind them; the queue may be far longer
        values = waiting.values()
        requests = list(values if len(waiting) <= some else islice(values, some))
        call = requests[0].call
        count = min(len(requests), max(1, self._most // call.rows))  # one always runs
        if count > 1 and call.group is None:
            return None
        for request in requests[: count + 1]:  # where another comes next, it might fit too
            if request.call is not call:
                return None
        for size in reversed(self._policy.preferred):
            if size <= count * call.rows and not size % call.rows:
                count = size // call.rows
                break
        if count == len(requests):
            waiting.clear()
        else:
            del requests[count:]
            for _ in requests:
                waiting.popleft()
        return Batch(requests, count * call.rows, call)

    def _grown(self, most: int) -> tuple[list[InferRequest], int, int, int, bool]:
        """As many requests as `most` rows hold: (requests, rows, both at the best preferred size).

        The last value: no later request can make this batch larger.
        """
        requests: list[InferRequest] = []
        rows = best = best_rows = 0
        group: Any = None
        for request in self._waiting():
            call = request.call
            if not requests:
                group = call.group
            elif call.group is None or call.group != group or rows + call.rows > most:
                return requests, rows, best, best_rows, True
            requests.append(request)
            rows += call.rows
            if rows in self._preferred:
                best, best_rows = len(requests), rows
        return requests, rows, best, best_rows, rows >= most

    def _waiting(self) -> Iterator[InferRequest]:
        for level in self._in_order:
            yield from level.waiting.values()
            yield from level.late.values()

    def _remove(self, requests: list[InferRequest]) -> None:
        left = len(requests)
        for level in self._in_order:
            for queue in (level.waiting, level.late):
                while queue and left:
                    queue.popleft()
                    left -= 1

    def settle(self, now_ns: int) -> None:
        """Take out what has expired."""
        if not self._deadlines:
            return
        for request in self._deadlines.expired(now_ns):
            level = self._level(request)
            if level.policy.delay_expired:
                level.late.append(request)
            else:
                error = ServeError(Kind.UNAVAILABLE, "Request timeout expired")
                self.dropped.append(Dropped(request, error))
