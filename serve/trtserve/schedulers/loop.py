"""Runs a scheduler: on the event loop's thread, with batches for instances that have room.

An instance with nothing to do has what waits. One that runs a batch and has room for another, to
copy its inputs meanwhile, has it once that is full or as large as the last one: smaller ones would
get smaller and smaller, and a GPU takes nearly as long for a small batch as for a large one. What
comes beside two is full. Where batches are short nothing comes beside one: two small ones cost more
than one, by more than overlapping saves.

Everything here happens on that one thread, so nothing is locked. Instances work elsewhere and
report back through `Instance.start`'s callback, which is called on this thread again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from trtserve.errors import Kind, ServeError
from trtserve.polling import AwakeLoop, Habit
from trtserve.request import InferRequest, InferResponse, answer_all
from trtserve.schedulers.ahead import Ahead
from trtserve.schedulers.direct import cancelled
from trtserve.schedulers.policy import Batch, Dropped, Scheduler
from trtserve.statistics import ModelStatistics

# Executions from here on are worth beginning the next batch beside. On an H200, 16 clients of a
# model of 0.13 ms lost a quarter by two batches in flight, 64 of a model of 1.4 ms won a quarter.
_LONG_NS = 500_000


class Outcome(NamedTuple):
    """What became of a batch: an answer for each of its requests, and where its time went."""

    answers: Sequence[InferResponse | ServeError]
    started_ns: int
    infer_started_ns: int  # inputs were in place
    infer_ended_ns: int
    ended_ns: int  # outputs were in place
    goes_on: bool = False  # the instance has begun a batch of those ahead


Done = Callable[["Instance", Batch, Outcome], None]


class Instance(Protocol):
    """One copy of a model."""

    capacity: int  # batches that it may be given before it is done with the first of them

    here: bool  # the last batch ran on the loop's thread, within `start`
    # What it may begin by itself when it is done with a batch; None: it never does.
    ahead: Ahead | None

    def start(self, batch: Batch, done: Done) -> None:
        """Take a batch; `done` is called once, on the loop's thread, whatever happens."""

    def close(self) -> None:
        """Free what the instance holds; no batch is under way."""


class Runner:
    """The requests of one loaded version of a model, from its queue to their answers."""

    def __init__(
        self, scheduler: Scheduler, instances: Sequence[Instance], statistics: ModelStatistics,
        loop: asyncio.AbstractEventLoop, max_waiting: int, *, eager: bool = False,
    ) -> None:  # fmt: skip
        """`eager`: an instance with room has what waits, as one with nothing to do."""
        self._scheduler = scheduler
        self._instances = list(instances)
        self._idle = list(instances)
        self._with_room: list[Instance] = []  # beside a batch, the one begun first first
        self._in_flight = dict.fromkeys(instances, 0)
        self._eager = eager
        self._overlaps = eager  # batches are long enough, as far as known
        self._ahead = instances[0].ahead if instances else None
        self._statistics = statistics
        self._loop = loop
        self._max_waiting = max_waiting
        self._room = 0  # requests that surely fit into the queue: it gets shorter by itself alone
        self._awake = AwakeLoop(loop)
        self._next_comes = Habit()  # a request, once all are answered
        self._armed = False
        self._looked = 0  # requests that waited when the loop was last asked for more
        self._together = 0  # requests of the last batch
        self._starting = False
        self._timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None  # set while draining

    @property
    def waiting(self) -> int:
        """Requests that no instance has begun."""
        return len(self._scheduler) + (self._ahead.requests if self._ahead else 0)

    def submit(self, request: InferRequest) -> None:
        """Queue a request; it will be answered. Raises `ServeError` where the queue is full."""
        try:
            if self._room <= 0:
                self._make_room()
            self._scheduler.add(request, request.started_ns)
            self._room -= 1
        except ServeError as error:
            self._statistics.failed(error, time.monotonic_ns() - request.started_ns)
            raise
        if not self._armed:
            self._next_comes.came(request.started_ns)
            self._awake.rest()
            if self._idle or self._has_room() or not self._all_ahead():
                # Once a turn of the loop: what arrived in this turn can share a batch.
                self._armed = True
                self._loop.call_soon(self._look)

    def _make_room(self) -> None:
        """Count how many more may wait. Raises `ServeError` where that is none."""
        self._room = self._max_waiting - self.waiting
        if self._room <= 0:
            raise ServeError(Kind.UNAVAILABLE, "Exceeds maximum queue size")

    def cancel(self, request: InferRequest) -> None:
        """The client of a request has left. What already runs runs on, and nobody hears of it."""
        self._scheduler.cancel(request)
        if self._ahead and self._ahead.withdraw(request):
            self._scheduler.dropped.append(Dropped(request, cancelled()))
        if self._scheduler.dropped and not self._armed:
            self._armed = True
            self._loop.call_soon(self._kick)

    def _look(self) -> None:
        """Start what waits, but where that keeps the loop busy, first read what has come by now.

        That is a look, and another as long as there is more each time, and less than in the last
        batch. One client alone is never kept waiting: the second request of a batch pays for it.
        """
        waiting, looked = len(self._scheduler), self._looked
        if 1 < waiting > looked and (
            (not looked or waiting < self._together) and self._idle and self._idle[-1].here
        ):
            self._looked = waiting
            self._loop.call_soon(self._look)
        else:
            self._kick()

    def _kick(self) -> None:
        self._armed = False
        self._looked = 0
        scheduler = self._scheduler
        now = time.monotonic_ns()
        self._starting = True  # an instance may be done before `start` returns
        while self._idle or self._has_room():
            batch = self._next_batch(now)
            if batch is None:
                break
            self._together = len(batch.requests)
            self._start(batch)
        else:
            self._make_ahead()
        self._starting = False
        scheduler.settle(now)
        if scheduler.dropped:
            self._answer_dropped(now)
        if self._timer is not None or len(scheduler):
            self._set_timer(now)
        if self._drained is not None:
            self._check_drained()

    def _has_room(self) -> bool:
        """An instance is to have another batch beside the one that it runs."""
        return self._overlaps and bool(self._with_room)

    def _next_batch(self, now: int) -> Batch | None:
        """What an instance with nothing to do, else one with room is to have."""
        batch = self._ahead.take() if self._ahead else None
        if batch is not None:
            return batch
        if self._idle or (
            self._in_flight[self._roomiest()] == 1
            and (self._eager or len(self._scheduler) >= self._together)
        ):
            return self._scheduler.next_batch(now)
        return self._scheduler.full_batch()

    def _roomiest(self) -> Instance:
        """Of the instances with room, the one with the fewest batches; of these the first."""
        return min(self._with_room, key=self._in_flight.__getitem__)

    def _start(self, batch: Batch) -> None:
        if self._idle:
            instance = self._idle.pop()
        else:
            instance = self._roomiest()
            self._with_room.remove(instance)
        self._in_flight[instance] += 1
        if self._in_flight[instance] < instance.capacity:
            self._with_room.append(instance)
        instance.start(batch, self._done)

    def _over(self, instance: Instance) -> None:
        """It is done with one batch, and has begun no other by itself."""
        self._in_flight[instance] -= 1
        if instance in self._with_room:
            self._with_room.remove(instance)
        (self._with_room if self._in_flight[instance] else self._idle).append(instance)

    def _make_ahead(self) -> None:
        """Have a batch ready for each instance, where there are so many full ones."""
        while self._ahead is not None and not self._all_ahead():
            batch = self._scheduler.full_batch()
            if batch is None:
                return
            self._together = len(batch.requests)
            self._ahead.put(batch)

    def _all_ahead(self) -> bool:
        """Each instance has its next batch: until one of them begins it, nothing can be started."""
        return self._ahead is not None and len(self._ahead) >= len(self._instances)

    def _answer_dropped(self, now: int) -> None:
        dropped, self._scheduler.dropped = self._scheduler.dropped, []
        for request, error in dropped:
            self._statistics.failed(error, now - request.started_ns)
            request.answer(error)

    def _set_timer(self, now: int) -> None:
        deadline = self._scheduler.deadline()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer = self._loop.call_later(max(0, deadline - now) / 1e9, self._kick)

    def _done(self, instance: Instance, batch: Batch, outcome: Outcome) -> None:
        took = outcome.infer_ended_ns - outcome.infer_started_ns
        self._overlaps = self._eager or took >= _LONG_NS
        if not outcome.goes_on:
            self._over(instance)
        if (len(self._scheduler) or self._ahead) and not self._starting:
            self._kick()  # first of all: the instance works on while this batch is answered
        answer_all(batch.requests, outcome.answers)
        self._statistics.executed(batch, outcome)  # before anybody can ask for them
        if self._drained is not None:
            self._check_drained()
        elif not (len(self._scheduler) or self._ahead) and self._next_comes.begins(
            now := time.monotonic_ns()
        ):
            self._awake.stay(now)

    def _check_drained(self) -> None:
        assert self._drained is not None
        if (
            not self._drained.done()
            and len(self._idle) == len(self._instances)
            and not self.waiting
        ):
            self._drained.set_result(None)

    async def warm(self, batch: Batch, times: int) -> None:
        """Run `batch` on every instance, uncounted; before any request. Raises `ServeError`."""
        for instance in self._instances:
            for _ in range(times):
                for answer in (await self._run_alone(instance, batch)).answers:
                    if isinstance(answer, ServeError):
                        raise answer

    async def _run_alone(self, instance: Instance, batch: Batch) -> Outcome:
        finished: asyncio.Future[Outcome] = self._loop.create_future()

        def done(_instance: Instance, _batch: Batch, outcome: Outcome) -> None:
            if not finished.done():  # nobody waits any more where the server ends meanwhile
                finished.set_result(outcome)

        instance.start(batch, done)
        return await finished

    async def drain(self) -> None:
        """Wait until everything that was submitted is answered. Nothing may be submitted after."""
        if self._drained is None:
            self._drained = self._loop.create_future()
        self._kick()
        await self._drained

    def close(self) -> None:
        """Free the instances; after `drain`."""
        if self._timer is not None:
            self._timer.cancel()
        for instance in self._instances:
            instance.close()
        # Who keeps the version for its name must not keep its engine in memory.
        self._instances.clear()
        self._idle.clear()
        self._in_flight.clear()
