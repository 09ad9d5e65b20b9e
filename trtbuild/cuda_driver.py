"""The CUDA driver's library: its calls, and what it says when one fails.

No CUDA package is needed. A call that may take its time releases the GIL, one that only queues work
keeps it: to get it back from a thread that is busy can take longer than the call by far, and a
batch makes ten of them. Source of calls, constants and types: the CUDA driver API (cuda.h), whose
numbers never change.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable
from ctypes import POINTER, c_float, c_int, c_size_t, c_uint, c_uint64, c_void_p
from typing import Any

from trtbuild.device import NEXT_STEPS
from trtbuild.errors import CudaError

_NOT_READY = 600  # CUresult of a query
# CUresults after which a context does no more work: each later call answers the same until the
# process ends, which cuda.h says of each ("any further CUDA work will return the same error").
CONTEXT_LOST = frozenset((
    214,  # ECC_UNCORRECTABLE
    220,  # NVLINK_UNCORRECTABLE
    226,  # CONTAINED
    700,  # ILLEGAL_ADDRESS
    702,  # LAUNCH_TIMEOUT
    709,  # CONTEXT_IS_DESTROYED
    710,  # ASSERT
    714,  # HARDWARE_STACK_ERROR
    715,  # ILLEGAL_INSTRUCTION
    716,  # MISALIGNED_ADDRESS
    717,  # INVALID_ADDRESS_SPACE
    718,  # INVALID_PC
    719,  # LAUNCH_FAILED
))  # fmt: skip

_HANDLE = POINTER(c_void_p)
_CALLS: dict[str, tuple[Any, ...]] = {
    "cuInit": (c_uint,),
    "cuDeviceGet": (POINTER(c_int), c_int),
    "cuDevicePrimaryCtxRetain": (_HANDLE, c_int),
    "cuDevicePrimaryCtxRelease_v2": (c_int,),
    "cuCtxSetCurrent": (c_void_p,),
    "cuCtxSynchronize": (),
    "cuCtxGetStreamPriorityRange": (POINTER(c_int), POINTER(c_int)),
    "cuMemGetInfo_v2": (POINTER(c_size_t), POINTER(c_size_t)),
    "cuMemAlloc_v2": (POINTER(c_uint64), c_size_t),
    "cuMemFree_v2": (c_uint64,),
    "cuMemHostAlloc": (_HANDLE, c_size_t, c_uint),
    "cuMemFreeHost": (c_void_p,),
    "cuMemcpyHtoDAsync_v2": (c_uint64, c_void_p, c_size_t, c_void_p),
    "cuMemcpyDtoHAsync_v2": (c_void_p, c_uint64, c_size_t, c_void_p),
    "cuMemcpyDtoDAsync_v2": (c_uint64, c_uint64, c_size_t, c_void_p),
    "cuStreamCreateWithPriority": (_HANDLE, c_uint, c_int),
    "cuStreamSynchronize": (c_void_p,),
    "cuStreamDestroy_v2": (c_void_p,),
    "cuStreamBeginCapture_v2": (c_void_p, c_int),
    "cuStreamEndCapture": (c_void_p, _HANDLE),
    "cuEventCreate": (_HANDLE, c_uint),
    "cuEventRecord": (c_void_p, c_void_p),
    "cuEventSynchronize": (c_void_p,),
    "cuEventQuery": (c_void_p,),
    "cuEventDestroy_v2": (c_void_p,),
    "cuEventElapsedTime": (POINTER(c_float), c_void_p, c_void_p),
    "cuStreamWaitEvent": (c_void_p, c_void_p, c_uint),
    "cuGraphInstantiateWithFlags": (_HANDLE, c_void_p, c_uint64),
    "cuGraphLaunch": (c_void_p, c_void_p),
    "cuGraphExecDestroy": (c_void_p,),
    "cuGraphDestroy": (c_void_p,),
}


class Driver:
    """The driver's library: `call(name, ...)` raises `CudaError` with the driver's own text.

    `quick(name, ...)` does the same and keeps the GIL. `prepared(name, ...)` returns such a call.
    """

    def __init__(self, library: str) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise CudaError(f"no CUDA driver: {error}") from None
        self._functions = {
            name: _function(self._library, name, types) for name, types in _CALLS.items()
        }
        keeping = ctypes.PyDLL(library)
        self._quick = {name: _function(keeping, name, types) for name, types in _CALLS.items()}
        self.call("cuInit", 0)

    def call(self, name: str, *arguments: Any) -> None:
        """Make the call, which may take its time."""
        code = self._functions[name](*arguments)
        if code:
            raise self._error(name, code)

    def quick(self, name: str, *arguments: Any) -> None:
        """Make the call, which takes none."""
        code = self._quick[name](*arguments)
        if code:
            raise self._error(name, code)

    def prepared(self, name: str, *arguments: Any) -> Callable[[], None]:
        """The quick call, to be made again and again."""
        function = self._quick[name]

        def again() -> None:
            code = function(*arguments)
            if code:
                raise self._error(name, code)

        return again

    def query(self, name: str, handle: c_void_p) -> bool:
        """Whether the work that `handle` stands for is done."""
        code = self._quick[name](handle)
        if code and code != _NOT_READY:
            raise self._error(name, code)
        return not code

    def _error(self, name: str, code: int) -> CudaError:
        said = f"{name} answered {code} ({self._text(code)})"
        return CudaError(said, NEXT_STEPS.get(code, ""), code=code)

    def _text(self, code: int) -> str:
        text = ctypes.c_char_p()
        self._library.cuGetErrorString(code, ctypes.byref(text))
        return (text.value or b"unknown error").decode(errors="replace")


def _function(library: ctypes.CDLL, name: str, types: tuple[Any, ...]) -> Any:
    try:
        function = getattr(library, name)
    except AttributeError:
        raise CudaError(
            f"the CUDA driver lacks {name}", "update NVIDIA's driver: 470 or newer has it"
        ) from None
    function.argtypes, function.restype = types, c_int
    return function


@functools.cache
def driver_of(library: str) -> Driver:
    """The one that is loaded from `library`. Raises `CudaError` where there is none."""
    return Driver(library)
