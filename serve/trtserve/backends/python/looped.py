"""An instance on the event loop: small batches without a thread, what may block on one.

A thread between the loop and the process would cost two thread switches a batch, and the GIL's
hand-over with each: more than a small batch itself.

An instance without a process fails what it is given at once, so it would always be idle and draw
what a healthy instance of the model could run. So a batch is run by whichever instance of the model
is alive and idle, and waits for the first of them, while the process is started again; where none
is alive, it fails.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import NamedTuple

from trtserve.backends.base import Place
from trtserve.backends.python.instance import PythonInstance
from trtserve.backends.python.translation import Answer
from trtserve.errors import Kind, ServeError
from trtserve.polling import AwakeLoop, Habit
from trtserve.schedulers.ahead import Ahead
from trtserve.schedulers.loop import Done, Outcome
from trtserve.schedulers.policy import Batch

_log = logging.getLogger("trtserve")
FINALIZE_S = 30.0  # Triton's --exit-timeout-secs
_Work = Callable[[], list[Answer]]


class _Job(NamedTuple):
    """A batch, and the instance that it was given to: not always the one that runs it."""

    batch: Batch
    done: Done
    given_to: LoopInstance


class Crew:
    """The instances of one model version, and the batches that wait for any of them.

    Batches wait only while there are fewer living instances than batches, which are no more than
    instances: whoever has nothing to do must look here, or a batch would wait beside it.
    """

    def __init__(self) -> None:
        self.members: list[LoopInstance] = []
        self.waiting: deque[_Job] = deque()


class LoopInstance:
    """Runs batches of one `PythonInstance`, one at a time. Methods run on the loop's thread."""

    here = False
    capacity = 1
    ahead: Ahead | None = None

    def __init__(self, instance: PythonInstance, place: Place, crew: Crew) -> None:
        self._instance = instance
        self._crew = crew
        crew.members.append(self)
        self._loop = place.loop
        self._awake = AwakeLoop(place.loop)
        self._answer_comes = Habit()
        self._watched: int | None = None  # the file descriptor that the loop watches
        self._under_way: tuple[_Job, int] | None = None
        self._restarting = False  # set here, cleared by the thread
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=instance.name, daemon=True)
        self._thread.start()

    def start(self, batch: Batch, done: Done) -> None:
        """Begin a batch, here if it takes no time, else on the thread, or let another run it."""
        job = _Job(batch, done, self)
        if self._under_way is None:
            self._begin(job)
        else:
            self._pass_on(job, self._others())

    def _begin(self, job: _Job) -> None:
        self._under_way = job, time.monotonic_ns()
        instance = self._instance
        if self._begun(job.batch):
            if self._watched is None:
                self._watched = instance.fileno
                self._loop.add_reader(self._watched, self._readable)
            if self._answer_comes.begins(instance.put_ns):
                self._awake.stay(instance.put_ns)
        elif not instance.usable and (others := self._others()):
            self._under_way = None
            self._restart()
            self._pass_on(job, others)
        else:
            self._on_thread(lambda: instance.execute(job.batch.requests))

    def _others(self) -> list[LoopInstance]:
        """The other instances that have a process."""
        return [each for each in self._crew.members if each is not self and each._instance.usable]

    def _pass_on(self, job: _Job, others: Sequence[LoopInstance]) -> None:
        """Let one of `others` run it that is idle, or else whoever is the first to be."""
        for other in others:
            if other._under_way is None:
                other._begin(job)
                return
        self._crew.waiting.append(job)

    def _go_on(self) -> None:
        """Run what waits, if there is nothing else to do."""
        if self._under_way is None and self._crew.waiting:
            self._begin(self._crew.waiting.popleft())

    def _restart(self) -> None:
        if self._restarting or self._instance.pausing:
            return
        self._restarting = True
        self._unwatch()
        self._work.put(self._restarted)

    def _restarted(self) -> None:
        try:
            self._instance.restart()
        except Exception as error:
            _log.warning("'%s' cannot be started: %s", self._instance.name, error)
        finally:
            self._restarting = False
        with contextlib.suppress(RuntimeError):  # the loop has ended: nothing waits any more
            self._loop.call_soon_threadsafe(self._restart_ended)

    def _restart_ended(self) -> None:
        if self._instance.usable:
            self._go_on()

    def _begun(self, batch: Batch) -> bool:
        try:
            return self._instance.begin(batch.requests)
        except Exception:  # a bug of ours: every request must have its answer all the same
            _log.exception("'%s' failed", self._instance.name)
            self._instance.kill()
            return False

    def _readable(self) -> None:
        if self._under_way is None:  # the process has ended while idle: the next batch sees to it
            self._unwatch()
            return
        try:
            answers = self._instance.finish()
        except Exception as error:
            answers = self._failed(error)
        if answers is None:
            self._on_thread(self._instance.conclude)
        else:
            self._end(answers)

    def _on_thread(self, work: _Work) -> None:
        # The thread may close the process's socket, and another may get its number.
        self._unwatch()
        self._work.put(lambda: self._tell(self._answers(work)))

    def _tell(self, answers: list[Answer]) -> None:
        self._loop.call_soon_threadsafe(self._end, answers)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._watched = None

    def _end(self, answers: list[Answer]) -> None:
        assert self._under_way is not None
        job, started = self._under_way
        self._under_way = None
        ended = time.monotonic_ns()
        put = min(max(self._instance.put_ns, started), ended)
        returned = min(max(self._instance.returned_ns, put), ended)
        self._answer_comes.came(returned)
        self._go_on()
        job.done(job.given_to, job.batch, Outcome(answers, started, put, returned, ended))

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # which knows the batch: the next may be long in coming

    def _answers(self, work: _Work) -> list[Answer]:
        try:
            return work()
        except Exception as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> list[Answer]:
        """What is between us and the process is broken, by a bug or by the model: begin anew."""
        _log.exception("'%s' failed", self._instance.name)
        self._instance.kill()
        assert self._under_way is not None
        text = f"model instance '{self._instance.name}' failed: {error}"
        return [ServeError(Kind.INTERNAL, text)] * len(self._under_way[0].batch.requests)

    def close(self) -> None:
        """End the thread and the process, away from the loop."""
        self._unwatch()
        self._work.put(None)
        # No daemon: the server's process ends when the model has finalized, or its time is up.
        threading.Thread(target=self._close, name=f"{self._instance.name} end").start()

    def _close(self) -> None:
        self._thread.join()
        self._instance.close(FINALIZE_S)
