"""The parent's side: start workers, call functions in them, and leave none behind.

    with Pool() as pool:
        worker = pool.start()
        model = worker.call("trtbuild.sources.session:export", OnnxModel, ref=ref)

A `Worker` runs one call at a time; threads drive several. Leaving the pool kills whatever
still runs: also on ctrl-C, SIGTERM and any exception.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from trtbuild.artifacts import Progress, from_json, to_json
from trtbuild.errors import OutOfTimeError, TrtbuildError, WorkerDiedError, error_from_json
from trtbuild.workers.memory import out_of_memory_kills
from trtbuild.workers.messages import Answer, Call, Failure, Result, Step
from trtbuild.workers.sandbox import Sandbox

T = TypeVar("T")
OnProgress = Callable[[Progress], None]
_STDERR_TAIL_BYTES = 2000
_PACKAGES = Path(__file__).parents[2]  # where this very trtbuild lies
# Not `-m`, which looks for every module in the current folder first: a `numpy.py` that lies beside
# somebody else's model would be run.
_START = """import sys
sys.path[:] = [*filter(None, sys.path), sys.argv[1]]
from trtbuild.workers.child import main
main()"""


class WorkerBugError(Exception):
    """A function in a worker raised something that is not a `TrtbuildError`."""

    def __init__(self, message: str, worker_traceback: str) -> None:
        super().__init__(f"{message}\n{worker_traceback}")


class Worker:
    """One worker process. `call` may be used again and again, from one thread at a time."""

    def __init__(
        self, environment: dict[str, str] | None = None, sandbox: Sandbox | None = None
    ) -> None:
        """`sandbox`: all that it may touch, and of the environment only what frameworks read;
        None: all that this process may.
        """
        self.limit_s: float | None = None  # of each call, after which the process is ended
        self._out_of_time = False
        self._in_call = threading.Lock()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        self._kills_before = out_of_memory_kills()
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", _START, str(_PACKAGES)),
                *([to_json(sandbox).decode()] if sandbox is not None else []),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env={**(os.environ if sandbox is None else _plain()), **(environment or {})},
            start_new_session=True,  # ctrl-C in a terminal reaches the parent alone
        )

    def call(
        self,
        function: str,
        result: type[T],
        on_progress: OnProgress = lambda _: None,
        /,
        **arguments: Any,
    ) -> T:
        """Run `function` ("module:attribute") in the worker; its value is read as `result`.

        Raises the `TrtbuildError` that the function raised, `WorkerDiedError` when the process ends
        without an answer, `OutOfTimeError` when that takes longer than `limit_s`, `WorkerBugError`
        when the function has a bug.
        """
        with self._in_call, self._deadline():
            self._send(Call(function, arguments))
            step = ""
            for answer in self._answers():
                if isinstance(answer, Step):
                    step = f"{answer.progress.work}: {answer.progress.phase}"
                    on_progress(answer.progress)
                elif isinstance(answer, Result):
                    return from_json(bytes(answer.value), result)
                elif answer.traceback:
                    raise WorkerBugError(answer.error["message"], answer.traceback)
                else:
                    raise error_from_json(answer.error)
            raise self._died(step)

    @contextlib.contextmanager
    def _deadline(self) -> Iterator[None]:
        if self.limit_s is None:
            yield
            return
        timer = threading.Timer(self.limit_s, self._give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _give_up(self) -> None:
        self._out_of_time = True
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _send(self, call: Call) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(to_json(call) + b"\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._died() from None

    def _answers(self) -> Iterator[Step | Result | Failure]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield from_json(line, Answer)

    def _died(self, step: str = "") -> TrtbuildError:
        code = self.process.wait()
        if self._out_of_time:
            return OutOfTimeError(
                f"a step took longer than {self.limit_s:g} s and was ended"
                + (f": {step}" if step else ""),
                "a model can loop for ever; where it only takes its time, give it more: "
                "--verify-timeout SECONDS",
            )
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        said = self.stderr_tail()
        why = f"; its last words: {said}" if said else ""
        hint = self._why_killed() if code == -signal.SIGKILL else ""
        return WorkerDiedError(f"the worker process was ended {how}{why}", hint)

    def _why_killed(self) -> str:
        if out_of_memory_kills() > self._kills_before:
            return "the system ran out of memory and killed it: free some, or use fewer --workers"
        return "nothing says that memory ran out: look for who sends SIGKILL here"

    def stderr_tail(self) -> str:
        """The last lines the worker's frameworks printed."""
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - _STDERR_TAIL_BYTES))
        return self._stderr.read().decode(errors="replace").strip()

    def stop(self) -> None:
        """End the process now, whatever it is doing, and wait until it is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        with self._in_call:  # a call in another thread has read the end by now, or soon will
            for stream in (self.process.stdin, self.process.stdout, self._stderr):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()


# What frameworks, Python and the dynamic loader read. Of the rest some is secret (tokens of a CI),
# and a process can read its own environment as a file.
_ENVIRONMENT = re.compile(
    r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|TZ|TERM|COLUMNS|NO_COLOR|VIRTUAL_ENV|HOSTNAME"
    r"|(LC|LD|PYTHON|CUDA|CUDNN|CUBLAS|NVIDIA|NV|TRT|TENSORRT|TF|XLA|KERAS|TORCH|PYTORCH|ORT|ONNX"
    r"|OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|NUMEXPR|MALLOC|GLIBC|TRTBUILD|XDG|CONDA|COVERAGE|COV)_?\w*"
)
_SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|_KEY$", re.IGNORECASE)


def _plain() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if _ENVIRONMENT.fullmatch(name) and not _SECRET.search(name)
    }


class Pool:
    """All workers of one run; leaving it stops them.

    Linux ends a worker when the thread that started it ends (`child.die_with_parent`), so one
    thread that lives as long as the pool starts them all, whoever asks.
    """

    def __init__(self) -> None:
        self._starter = ThreadPoolExecutor(1, "worker-starter")
        self._workers: list[Worker] = []
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(
        self, environment: dict[str, str] | None = None, sandbox: Sandbox | None = None
    ) -> Worker:
        """A new worker process. Raises `WorkerDiedError` when the pool is already being left."""
        try:
            starting = self._starter.submit(self._start, environment or {}, sandbox)
        except RuntimeError:  # the pool was left
            raise _ending() from None
        return starting.result()

    def _start(self, environment: dict[str, str], sandbox: Sandbox | None) -> Worker:
        with self._lock:
            if self._closed:
                raise _ending()
            if self._scratch is None:
                self._scratch = tempfile.TemporaryDirectory(
                    prefix="trtbuild-", ignore_cleanup_errors=True
                )
            # Frameworks leave temporary files, and a worker that is stopped cannot tidy up.
            scratch = self._scratch.name
            if sandbox is not None:
                sandbox = msgspec.structs.replace(sandbox, write=(*sandbox.write, scratch))
            worker = Worker({**environment, **_folders(scratch)}, sandbox)
            self._workers.append(worker)
            return worker

    @contextlib.contextmanager
    def worker(
        self,
        environment: dict[str, str] | None = None,
        started: Worker | None = None,
        sandbox: Sandbox | None = None,
    ) -> Iterator[Worker]:
        """A worker for one piece of work, stopped afterwards so that its memory comes back.

        `started` is a worker that the pool started earlier and that nobody uses.
        """
        worker = started or self.start(environment, sandbox)
        try:
            yield worker
        finally:
            with self._lock, contextlib.suppress(ValueError):  # the pool may be left by now
                self._workers.remove(worker)
            worker.stop()

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._closed = True
            workers, self._workers = self._workers, []
        for worker in workers:
            worker.stop()
        self._starter.shutdown()
        if self._scratch is not None:
            self._scratch.cleanup()


def _folders(scratch: str) -> dict[str, str]:
    """Where a worker's frameworks put what they leave: Keras its settings, beside the rest."""
    return {"TMPDIR": scratch, "KERAS_HOME": os.environ.get("KERAS_HOME", f"{scratch}/keras")}


def _ending() -> WorkerDiedError:
    return WorkerDiedError("the run is being ended")
