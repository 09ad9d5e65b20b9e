"""A worker that loads TensorRT while the run is still busy with earlier stages."""

from __future__ import annotations

import threading

from trtbuild.errors import TrtbuildError
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.workers.pool import Pool, Worker, WorkerBugError


class WarmWorker:
    """Starts a worker of `pool` at once; the first `take` gets it, ready to build.

    Start it in the main thread or another one that outlives its work: Linux ends a worker when
    the thread that started it ends.
    """

    def __init__(self, runtime: RuntimeInfo, pool: Pool) -> None:
        self._worker: Worker | None = pool.start()
        self._lock = threading.Lock()
        self._loading = threading.Thread(target=self._load, args=(self._worker, runtime))
        self._loading.start()

    def _load(self, worker: Worker, runtime: RuntimeInfo) -> None:
        try:
            worker.call("trtbuild.plan.build:warm_up", str, runtime=runtime)
        except (TrtbuildError, WorkerBugError):
            with self._lock:
                self._worker = None  # the build says what is wrong, in its own worker

    def take(self) -> Worker | None:
        """The worker, once; None when it was taken before or TensorRT did not load in it."""
        self._loading.join()
        with self._lock:
            worker, self._worker = self._worker, None
        return worker
