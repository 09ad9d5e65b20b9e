"""An instance on the event loop: small batches without a thread, what may block on one.

A thread between the loop and the process would cost two thread switches a batch, and the GIL's
hand-over with each: more than a small batch itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from trtserve.backends.base import Place
from trtserve.backends.python.instance import PythonInstance
from trtserve.backends.python.translation import Answer
from trtserve.errors import Kind, ServeError
from trtserve.schedulers.loop import Done, Outcome
from trtserve.schedulers.policy import Batch

_log = logging.getLogger("trtserve")
FINALIZE_S = 30.0  # Triton's --exit-timeout-secs
_Work = Callable[[], list[Answer]]


class LoopInstance:
    """Runs batches of one `PythonInstance`, one at a time. Methods run on the loop's thread."""

    def __init__(self, instance: PythonInstance, place: Place) -> None:
        self._instance = instance
        self._loop = place.loop
        self._watched: int | None = None  # the file descriptor that the loop watches
        self._under_way: tuple[Batch, Done, int] | None = None
        self._work: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=instance.name, daemon=True)
        self._thread.start()

    def start(self, batch: Batch, done: Done) -> None:
        """Begin a batch, here if it takes no time, else on the thread."""
        self._under_way = batch, done, time.monotonic_ns()
        instance = self._instance
        if self._begun(batch):
            if self._watched is None:
                self._watched = instance.fileno
                self._loop.add_reader(self._watched, self._readable)
        else:
            self._on_thread(lambda: instance.execute(batch.requests))

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
        self._work.put(work)

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._loop.remove_reader(self._watched)
            self._watched = None

    def _end(self, answers: list[Answer]) -> None:
        assert self._under_way is not None
        batch, done, started = self._under_way
        self._under_way = None
        ended = time.monotonic_ns()
        put = min(max(self._instance.put_ns, started), ended)
        returned = min(max(self._instance.returned_ns, put), ended)
        done(self, batch, Outcome(answers, started, put, returned, ended))

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            self._loop.call_soon_threadsafe(self._end, self._answers(work))

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
        return [ServeError(Kind.INTERNAL, text)] * len(self._under_way[0].requests)

    def close(self) -> None:
        """End the thread and the process, away from the loop."""
        self._unwatch()
        self._work.put(None)
        # No daemon: the server's process ends when the model has finalized, or its time is up.
        threading.Thread(target=self._close, name=f"{self._instance.name} end").start()

    def _close(self) -> None:
        self._thread.join()
        self._instance.close(FINALIZE_S)
