"""The worker process: reads calls, runs them one after another, answers on its first stdout.

A function called here takes keyword arguments whose annotations are JSON-able types or
structs, and returns one. It reports progress with `report`, and keeps state between calls
(a loaded framework model) in its own module.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import signal
import sys
import threading
import traceback
import typing
from typing import Any, BinaryIO

import msgspec

from trtbuild.artifacts import Progress, convert_to, from_json, to_json
from trtbuild.errors import MissingPackageError, TrtbuildError, fault_of_file
from trtbuild.registry import load
from trtbuild.workers.messages import Answer, Call, Failure, Result, Step
from trtbuild.workers.sandbox import Sandbox, enter

_answers: BinaryIO | None = None
# What a full, read-only or broken disk answers: no bug, and nothing a stage can do about.
_OF_THE_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG,
}  # fmt: skip
# Graphs are many small objects and hardly garbage: looking for it less often saves a tenth of
# the time of export and surgery.
_GC = (100_000, 50, 100)
_lock = threading.Lock()  # TensorRT reports progress from its own threads


def report(work: str, phase: str, done: int = 0, total: int = 0) -> None:
    """Tell the parent how far the work is. Outside a worker process it says nothing."""
    _send(Step(Progress(work, phase, done, total)))


def _send(answer: Answer) -> None:
    if _answers is None:
        return
    with _lock:
        _answers.write(to_json(answer) + b"\n")
        _answers.flush()


def run(call: Call) -> Result | Failure:
    """Run one call; every exception becomes a `Failure`."""
    try:
        function = load(call.function)
        hints = typing.get_type_hints(function)
        arguments = {
            name: convert_to(value, hints.get(name, Any)) for name, value in call.arguments.items()
        }
        return Result(msgspec.Raw(to_json(function(**arguments))))
    except Exception as error:
        return failure_of(error)


def failure_of(error: Exception) -> Failure:
    """What the parent is told of `error`: with a traceback where it is a bug of ours."""
    if fault := fault_of_file(error):
        return Failure(fault.to_json())
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return Failure(TrtbuildError(f"{error.strerror}: {error.filename or 'a file'}").to_json())
    if isinstance(error, ImportError):
        if (error.name or "").partition(".")[0] in ("", "trtbuild"):
            return _bug(error)
        return Failure(
            MissingPackageError(
                f"a package does not load: {error}",
                "`trtbuild doctor` says what it is needed for, and how to install it",
            ).to_json()
        )
    return _bug(error)


def _bug(error: Exception) -> Failure:
    text = f"{type(error).__name__}: {error}"
    return Failure({"type": "bug", "message": text, "hint": ""}, traceback.format_exc())


def die_with_parent() -> None:
    """Have Linux kill this process when its parent goes, however the parent goes."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG; elsewhere stdin's end tells


def main() -> None:
    """Answer calls until standard input ends."""
    global _answers  # noqa: PLW0603 - one channel a process
    die_with_parent()
    if len(sys.argv) > 2:  # before anything starts a thread: each would have to enter by itself
        enter(from_json(sys.argv[2].encode(), Sandbox))
    gc.set_threshold(*_GC)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the parent, which ends us
    calls = os.fdopen(os.dup(0), "rb")
    _answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what frameworks print must not reach the channel
    devnull = os.open(os.devnull, os.O_RDONLY)
    os.dup2(devnull, 0)
    for line in calls:
        _send(run(msgspec.json.decode(line, type=Call)))
