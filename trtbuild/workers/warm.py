"""A worker that loads its frameworks while the run is still busy with earlier stages."""

from __future__ import annotations

import threading
from typing import Any

from trtbuild.errors import TrtbuildError
from trtbuild.workers.pool import Pool, Worker, WorkerBugError
from trtbuild.workers.sandbox import Sandbox


class WarmWorker:
    """Starts a worker of `pool` and calls `function` in it at once; the first `take` gets it."""

    def __init__(
        self,
        pool: Pool,
        environment: dict[str, str],
        function: str,
        /,
        sandbox: Sandbox | None = None,
        **arguments: Any,
    ) -> None:
        self._environment = environment
        self._worker: Worker | None = pool.start(environment, sandbox)
        self._lock = threading.Lock()
        self._loading = threading.Thread(
            target=self._load, args=(self._worker, function, arguments)
        )
        self._loading.start()

    def _load(self, worker: Worker, function: str, arguments: dict[str, Any]) -> None:
        try:
            worker.call(function, str, **arguments)
        except (TrtbuildError, WorkerBugError):
            with self._lock:
                self._worker = None  # the work itself says what is wrong, in another worker

    def take(self, environment: dict[str, str]) -> Worker | None:
        """The worker, once; None when it was taken before or its frameworks did not load.

        None too where it runs in another `environment`: it sees other GPUs.
        """
        if environment != self._environment:
            return None
        self._loading.join()
        with self._lock:
            worker, self._worker = self._worker, None
        return worker
