"""Points in a GPU's streams whose times are kept, for measuring what it does.

Source: the CUDA driver API (cuda.h): events take the GPU's own clock, to half a microsecond.
"""

from __future__ import annotations

import ctypes
from ctypes import c_float, c_void_p

from trtbuild.cuda import Cuda, Stream

_BLOCKING_SYNC = 1  # CU_EVENT_BLOCKING_SYNC: a thread that waits sleeps


class Mark:
    """A point in a stream: recorded again and again, each time in the place of the last."""

    def __init__(self, cuda: Cuda, *, spin: bool = False) -> None:
        """`spin`: who waits for it stays awake, which costs a core."""
        self._cuda = cuda
        self._event = c_void_p()
        cuda.call("cuEventCreate", ctypes.byref(self._event), 0 if spin else _BLOCKING_SYNC)

    def record(self, stream: Stream) -> None:
        """Set it behind all that was begun on `stream`."""
        self._cuda.call("cuEventRecord", self._event, stream.handle)

    def hold(self, stream: Stream) -> None:
        """What is begun on `stream` from now on waits until the GPU has passed this point."""
        self._cuda.call("cuStreamWaitEvent", stream.handle, self._event, 0)

    def wait(self) -> None:
        """Wait until the GPU has passed it; errors of the work before it are raised here."""
        self._cuda.call("cuEventSynchronize", self._event)

    def milliseconds_since(self, start: Mark) -> float:
        """How long after `start` the GPU passed it; it has passed both."""
        elapsed = c_float()
        self._cuda.call("cuEventElapsedTime", ctypes.byref(elapsed), start._event, self._event)
        return elapsed.value

    def free(self) -> None:
        """Destroy it."""
        self._cuda.call("cuEventDestroy_v2", self._event)
