"""An instance as a thread: takes a batch, gathers, runs the executor, scatters.

What takes less time than handing it to a thread runs on the event loop's own thread instead. A
thread costs two switches and two hand-overs of the GIL a batch: measured, half of the time of a
request to a small model. Only executors whose time depends on the batch's size alone come into
question, so that no client can make one of their executions long, and only at sizes that were
short when last run.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from queue import SimpleQueue

from trtserve.backends.base import Executor, Place
from trtserve.batch import gather, scatter
from trtserve.contract import Contract
from trtserve.errors import Kind, ServeError
from trtserve.request import Forms, InferResponse
from trtserve.schedulers.loop import Done, Outcome
from trtserve.schedulers.policy import Batch

_log = logging.getLogger("trtserve")
# Executions up to this long may run on the event loop: about what the hand-over would cost.
_SHORT_NS = 60_000
# An execution that was longer than that is taken for a change, not for an accident, from here on.
_LONG_NS = 5 * _SHORT_NS


def instances(executors: Sequence[Executor], place: Place) -> list[ThreadInstance]:
    """A thread for each executor."""
    return [ThreadInstance(each, *place) for each in executors]


class ThreadInstance:
    """Runs batches of one executor, one at a time, away from the event loop."""

    def __init__(
        self, executor: Executor, contract: Contract, version: str,
        loop: asyncio.AbstractEventLoop,
    ) -> None:  # fmt: skip
        self._executor = executor
        self._room = executor.room
        self._contract = contract
        self._forms = Forms(contract.name, version)
        self._loop = loop
        # The last execution's time at each batch size, where sizes are all that it depends on.
        self._took_ns: dict[int, int] | None = (
            {} if executor.steady and contract.one_group else None
        )
        self._work: SimpleQueue[tuple[Batch, Done] | None] = SimpleQueue()
        name = f"{contract.name}:{version}"
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, batch: Batch, done: Done) -> None:
        """Hand a batch to the thread, or run it here if that is sooner done."""
        took = self._took_ns
        if took is not None and took.get(batch.rows, _LONG_NS) < _SHORT_NS:
            done(self, batch, self._outcome(batch))
        else:
            self._work.put((batch, done))

    def close(self) -> None:
        """End the thread, which frees the executor."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            batch, done = work
            outcome = self._outcome(batch)
            self._loop.call_soon_threadsafe(done, self, batch, outcome)
        self._executor.unload()

    def _outcome(self, batch: Batch) -> Outcome:
        started = time.monotonic_ns()
        try:
            return self._execute(batch, started)
        except ServeError as error:
            if error.kind is Kind.INVALID_ARG and len(batch.requests) > 1:
                return self._one_by_one(batch, started)
            if error.kind is not Kind.INVALID_ARG:  # which is the client's, not the model's
                _log.error("model '%s' failed: %s", self._contract.name, error)
            return _all_failed(batch, error, started)
        except Exception as error:
            _log.exception("model '%s' failed", self._contract.name)
            message = f"model '{self._contract.name}' failed: {error}"
            return _all_failed(batch, ServeError(Kind.INTERNAL, message), started)

    def _execute(self, batch: Batch, started: int) -> Outcome:
        wanted = gather(batch, self._contract, self._room)
        gathered = time.monotonic_ns()
        outputs = self._executor.execute(wanted.inputs, wanted.outputs)
        executed = time.monotonic_ns()
        if self._took_ns is not None:
            self._note(batch.rows, executed - gathered)
        answers = scatter(batch, outputs, self._contract, self._forms)
        return Outcome(answers, started, gathered, executed, time.monotonic_ns())

    def _note(self, rows: int, ns: int) -> None:
        """Remember how long an execution took; being interrupted now and then does not count."""
        assert self._took_ns is not None
        if ns < _LONG_NS and rows in self._took_ns:
            ns = (7 * self._took_ns[rows] + ns) // 8
        self._took_ns[rows] = ns

    def _one_by_one(self, batch: Batch, started: int) -> Outcome:
        """One request's input is at fault: the others must not suffer from it."""
        answers: list[InferResponse | ServeError] = []
        for request in batch.requests:
            answers += self._outcome(Batch([request], request.call.rows, request.call)).answers
        now = time.monotonic_ns()
        return Outcome(answers, started, started, now, now)


def _all_failed(batch: Batch, error: ServeError, started: int) -> Outcome:
    now = time.monotonic_ns()
    return Outcome([error] * len(batch.requests), started, started, now, now)
