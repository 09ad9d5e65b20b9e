"""An instance as threads: each takes a batch, gathers, runs the executor, scatters.

One thread for each batch that the executor takes at once. One waits for the GPU, the other gathers
and begins the next batch: neither hands its batch to the other, so each knows whose error it has,
and one request alone changes threads no oftener than with one thread.

What takes less time than handing it to a thread runs on the event loop's own thread instead. A
thread costs two switches and two hand-overs of the GIL a batch: measured, half of the time of a
request to a small model. Only executors whose time depends on the batch's size alone come into
question, so that no client can make one of their executions long, and only at sizes (within a
power of two) that were short when last run. What a GPU does in less is waited for there: `glance`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

from trtserve.backends.base import Executor, Place
from trtserve.backends.glance import Flight, Glances
from trtserve.backends.known import KnownBatch, KnownBatches
from trtserve.batch import gather, scatter
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError
from trtserve.request import Forms, InferResponse
from trtserve.schedulers.ahead import Ahead
from trtserve.schedulers.loop import Done, Outcome
from trtserve.schedulers.policy import Batch

_log = logging.getLogger("trtserve")
# Executions up to this long may run on the event loop: about what the hand-over would cost.
_SHORT_NS = 60_000
# One that was that much longer was interrupted, or something has changed: a thread will tell.
_LONG_NS = 5 * _SHORT_NS

_Work = SimpleQueue[tuple[Batch, Done, Flight | None] | None]


def instances(executors: Sequence[Executor], place: Place) -> list[ThreadInstance]:
    """As many threads for each executor as batches that it takes at once."""
    ahead = Ahead()
    return [ThreadInstance(each, ahead, *place) for each in executors]


class ThreadInstance:
    """Runs batches of one executor, `capacity` at a time, away from the event loop."""

    def __init__(
        self, executor: Executor, ahead: Ahead, contract: Contract, version: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:  # fmt: skip
        self._executor = executor
        self.capacity = executor.depth
        self.ahead: Ahead | None = ahead
        self._room = executor.room
        self._contract = contract
        self._forms = Forms(contract.name, version)
        self._loop = loop
        # What an execution takes by the bits of its batch size, where that is all that decides.
        self._took_ns: dict[int, int] | None = (
            {} if executor.steady and contract.one_group else None
        )
        self._known = KnownBatches(contract, executor.bind)
        waits = executor.bind is not None and not executor.steady
        self._glances = Glances(self._known) if waits else None
        self._learning = threading.Lock()
        self.here = False
        # One for each thread. The last one that was done comes first: it is the least asleep.
        works = [_Work() for _ in range(self.capacity)]
        self._works, self._waiting = works, works[::-1]
        self._at_work = self.capacity  # threads that have not ended
        self._ending = threading.Lock()
        for work in works:
            name = f"{contract.name}:{version}"
            threading.Thread(target=self._run, args=(work,), name=name, daemon=True).start()

    def start(self, batch: Batch, done: Done) -> None:
        """Hand a batch to a thread, or run it here if that is sooner done."""
        if self._short(batch):
            self.here = True
            done(self, batch, self._outcome(batch, here=True))
            return
        # Known batches share memory: nothing else may be under way.
        alone = self._glances is not None and len(self._waiting) == self.capacity
        flight = self._glances.begin(batch) if alone and self._glances is not None else None
        self.here = flight is not None and flight.over
        if flight is not None and flight.over:
            done(self, batch, _landed(flight))
        else:
            self._waiting.pop().put((batch, done, flight))

    def _short(self, batch: Batch) -> bool:
        took = self._took_ns
        return took is not None and took.get(batch.rows.bit_length(), _LONG_NS) < _SHORT_NS

    def close(self) -> None:
        """End the threads; the last one frees the executor."""
        for work in self._works:
            work.put(None)

    def _run(self, work: _Work) -> None:
        while (given := work.get()) is not None:
            batch: Batch | None
            batch, done, flight = given
            del given
            while batch is not None:
                batch = self._run_one(batch, done, work, flight)
                flight = None
        with self._ending:
            self._at_work -= 1
            last = not self._at_work
        if last:
            self._executor.unload()

    def _run_one(
        self, batch: Batch, done: Done, work: _Work, flight: Flight | None
    ) -> Batch | None:
        """Returns what is to run next, as far as that is known here."""
        outcome = self._awaited(flight) if flight is not None else None
        if outcome is None:
            outcome = self._outcome(batch, here=False)
        following = self._following()
        if following is not None:
            outcome = outcome._replace(goes_on=True)
        else:
            self._waiting.append(work)  # before the loop hears of it, which may have the next
        self._loop.call_soon_threadsafe(done, self, batch, outcome)
        return following

    def _awaited(self, flight: Flight) -> Outcome | None:
        """What became of a batch that the loop has begun; None: it has to be run as any other."""
        try:
            flight.known.bound.wait()
        except Exception:
            self._known.end()
            return None
        return _landed(flight)

    def _following(self) -> Batch | None:
        assert self.ahead is not None
        batch = self.ahead.take()
        if batch is not None and self._short(batch):
            self.ahead.put_back(batch)  # the loop, which hears of this one's end, runs it sooner
            return None
        return batch

    def _outcome(self, batch: Batch, *, here: bool) -> Outcome:
        """Run it; `here`: on the event loop's thread."""
        started = time.monotonic_ns()
        try:
            return self._execute(batch, started, here=here)
        except ServeError as error:
            if error.kind is Kind.INVALID_ARG and len(batch.requests) > 1:
                return self._one_by_one(batch, started, here=here)
            if error.kind is not Kind.INVALID_ARG:  # which is the client's, not the model's
                _log.error("model '%s' failed: %s", self._contract.name, error)
            return _all_failed(batch, error, started)
        except Exception as error:
            _log.exception("model '%s' failed", self._contract.name)
            message = f"model '{self._contract.name}' failed: {error}"
            return _all_failed(batch, ServeError(Kind.INTERNAL, message), started)

    def _execute(self, batch: Batch, started: int, *, here: bool) -> Outcome:
        known = self._known.like(batch) if self._glances is None else None
        if known is not None:
            try:
                return self._execute_known(known, batch, started, here=here)
            except Exception:
                outcome = self._execute_anew(batch, started, here=here, learn=False)
                self._known.end()  # it is not the batch's fault: too little is known
                return outcome
        return self._execute_anew(batch, started, here=here, learn=here)

    def _execute_known(
        self, known: KnownBatch, batch: Batch, started: int, *, here: bool
    ) -> Outcome:
        cpu = 0 if here else time.thread_time_ns()
        known.run(batch.requests)
        executed = time.monotonic_ns()
        self._note(batch.rows, started, executed, cpu, here=here)
        return Outcome(known.answers(), started, started, executed, time.monotonic_ns())

    def _execute_anew(self, batch: Batch, started: int, *, here: bool, learn: bool) -> Outcome:
        wanted = gather(batch, self._contract, self._room)
        gathered = time.monotonic_ns()
        cpu = 0 if here else time.thread_time_ns()
        outputs = self._executor.execute(wanted.inputs, wanted.outputs)
        executed = time.monotonic_ns()
        self._note(batch.rows, gathered, executed, cpu, here=here)
        answers = scatter(batch, outputs, self._contract, self._forms)
        if learn:  # for what takes longer, on the thread, it saves nothing
            self._known.learn(batch, wanted.inputs, outputs, answers[0])
        elif self._glances is not None and self._known.like(batch) is None:
            with self._learning:
                self._known.learn(batch, wanted.inputs, outputs, answers[0])
        return Outcome(answers, started, gathered, executed, time.monotonic_ns())

    def _note(self, rows: int, began: int, ended: int, cpu: int, *, here: bool) -> None:
        """Remember how long an execution took; `cpu`: the thread's time before.

        On the thread that is processor time: waiting for the GIL there takes longer than what is
        small, which would never come back to the event loop.
        """
        if self._took_ns is None:
            return
        bits = rows.bit_length()
        ns = ended - began if here else time.thread_time_ns() - cpu
        if here and ns < _LONG_NS:
            ns = (7 * self._took_ns.get(bits, ns) + ns) // 8
        self._took_ns[bits] = ns

    def _one_by_one(self, batch: Batch, started: int, *, here: bool) -> Outcome:
        """One request's input is at fault: the others must not suffer from it."""
        answers: list[InferResponse | ServeError] = []
        for request in batch.requests:
            alone = Batch([request], request.call.rows, request.call)
            answers += self._outcome(alone, here=here).answers
        now = time.monotonic_ns()
        return Outcome(answers, started, started, now, now)


def _landed(flight: Flight) -> Outcome:
    executed = time.monotonic_ns()
    started = flight.started_ns
    return Outcome(flight.known.answers(), started, started, executed, time.monotonic_ns())


def _all_failed(batch: Batch, error: ServeError, started: int) -> Outcome:
    # Anew: where answers wait for their turn, a traceback would hold the batch's tensors too.
    error = ServeError(error.kind, error.message)
    now = time.monotonic_ns()
    return Outcome([error] * len(batch.requests), started, started, now, now)
