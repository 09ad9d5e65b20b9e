"""Many buffers into one, leaving the GIL to the event loop meanwhile.

Python can copy without the GIL only buffer by buffer, and then waits for it after each; or with the
GIL, and then the loop waits half a millisecond for each of its turns. Linux copies any number of
buffers in one call: process_vm_readv(2), here from this process to itself. 128 images of 300 kB
beside a busy loop: 92, 7 and 4 ms (docs/benchmarks.md).
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Sequence

import numpy as np

from trtserve.request import Buffer
from trtserve.tensors import Array

_log = logging.getLogger("trtserve")
# Less is copied sooner than a call is prepared, and with less the loop does not wait for long.
_SMALL_BYTES = 1 << 20
_MAX_PARTS = 1024  # IOV_MAX


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def join_into(whole: Array, parts: Sequence[Buffer]) -> None:
    """Copy `parts` one after the other into `whole`, uint8 [sum of their lengths]."""
    if len(whole) >= _SMALL_BYTES and _copied_by_kernel(whole, parts):
        return
    view, start = whole.data, 0
    for part in parts:
        view[start : start + len(part)] = part
        start += len(part)


def _kernel_call() -> ctypes._NamedFuncPointer | None:
    """process_vm_readv, None where the system has no such call."""
    try:
        call = ctypes.CDLL(None, use_errno=True).process_vm_readv
    except (AttributeError, OSError):
        return None
    call.restype = ctypes.c_ssize_t
    call.argtypes = (
        ctypes.c_int, ctypes.POINTER(_Iovec), ctypes.c_ulong, ctypes.POINTER(_Iovec),
        ctypes.c_ulong, ctypes.c_ulong,
    )  # fmt: skip
    return call


class _Kernel:
    """The call, as long as it works: a sandbox may forbid it."""

    call = _kernel_call()


def _copied_by_kernel(whole: Array, parts: Sequence[Buffer]) -> bool:
    address = whole.ctypes.data
    for first in range(0, len(parts), _MAX_PARTS):
        some = parts[first : first + _MAX_PARTS]
        arrays = [np.frombuffer(part, np.uint8) for part in some]
        sources = (_Iovec * len(some))(
            *(_Iovec(each.__array_interface__["data"][0], len(each)) for each in arrays)
        )
        size = sum(map(len, some))
        if _Kernel.call is None:
            return False
        copied = _Kernel.call(
            os.getpid(), ctypes.byref(_Iovec(address, size)), 1, sources, len(some), 0
        )
        if copied != size:
            why = os.strerror(ctypes.get_errno()) if copied < 0 else f"{copied} of {size} bytes"
            _log.info("process_vm_readv does not work here (%s): joining without it", why)
            _Kernel.call = None
            return False
        address += size
    return True
