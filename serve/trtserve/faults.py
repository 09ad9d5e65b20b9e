"""GPUs that this process can use no more, since a kernel has faulted there.

A kernel that writes out of bounds, a plugin's as a rule, ends the CUDA context that all models of
its GPU share in this process: each later call fails, and what was computed beside it cannot be
trusted. Nothing but a new process mends that. Who notices it says so here; then every executor of
that GPU refuses to run, and whoever watches takes its models out of service.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from trtbuild.cuda import Cuda
from trtserve.errors import Kind, ServeError

Heard = Callable[[str, str], None]  # device ("cuda:0") and reason, on any thread


class Faults:
    """Which GPUs are lost and why. Its methods may be called on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: dict[str, str] = {}
        self._watching: list[Heard] = []
        self._kept: list[object] = []

    def require(self, device: str) -> None:
        """Raises `ServeError` where `device` is lost."""
        if reason := self._lost.get(device):
            raise _unavailable(reason)

    def examined(self, cuda: Cuda, error: ServeError) -> ServeError:
        """What to raise for an `error` of a run on this GPU, which is looked at for a fault."""
        fault = cuda.fault()
        if fault is None:
            return error
        device = f"cuda:{cuda.device}"
        reason = f"{device} has faulted and cannot be used until the server is started again: "
        self.report(device, f"{reason}{fault.message}")
        return _unavailable(self._lost[device])

    def report(self, device: str, reason: str) -> None:
        """A GPU is lost; the first reason stands."""
        with self._lock:
            if device in self._lost:
                return
            self._lost[device] = reason
            watching = list(self._watching)
        for heard in watching:
            heard(device, reason)

    def keep(self, device: str, owner: object) -> bool:
        """Whether `device` is lost: then `owner`, whose memory cannot be freed, is kept for good.

        TensorRT and the driver free nothing in a context that is lost, and fail in trying.
        """
        if device not in self._lost:
            return False
        self._kept.append(owner)
        return True

    def watch(self, heard: Heard) -> Callable[[], None]:
        """Have `heard` called when a GPU is lost. Returns what ends that."""
        with self._lock:
            self._watching.append(heard)
        return lambda: self._watching.remove(heard)


FAULTS = Faults()  # a CUDA context is the process's, whatever runs in it


def _unavailable(reason: str) -> ServeError:
    return ServeError(Kind.UNAVAILABLE, reason)
