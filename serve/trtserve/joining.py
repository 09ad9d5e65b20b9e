"""Many buffers into one, leaving the GIL to the event loop meanwhile.

Python can copy without the GIL only buffer by buffer, and then waits for it after each; or with the
GIL, and then the loop waits half a millisecond for each of its turns. Linux copies any number of
buffers in one call: process_vm_readv(2), here from this process to itself. 128 images of 300 kB
beside a busy loop: 92, 7 and 4 ms (docs/benchmarks.md). One processor copies 4 to 10 GB/s, less
than a GPU takes: where there are many, several copy.
"""

from __future__ import annotations

import ctypes
import logging
import os
from bisect import bisect_left
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

import numpy as np

from trtserve.processors import processors
from trtserve.request import Buffer
from trtserve.tensors import Array

_log = logging.getLogger("trtserve")
# Less is copied sooner than a call is prepared, and with less the loop does not wait for long.
_SMALL_BYTES = 1 << 20
_MAX_PARTS = 1024  # IOV_MAX
# A helper is worth waking for this much. Most processors stay with the engines and the loop.
_SHARE_BYTES = 4 << 20
_THREADS = max(1, min(4, int(processors() / 4)))
_helpers = ThreadPoolExecutor(_THREADS, "join")  # it starts threads as they are needed


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
    own, *others = _shares(whole, parts)
    copying = [_helpers.submit(_copy, *each) for each in others]
    copied = _copy(*own)
    results = [each.result() for each in copying]  # all of them, whatever becomes of one
    return copied and all(results)


def _shares(whole: Array, parts: Sequence[Buffer]) -> list[tuple[int, Sequence[Buffer]]]:
    """(address, parts) for each thread: about as many bytes, of whole parts."""
    count = max(1, min(_THREADS, len(whole) // _SHARE_BYTES))
    starts = [0, *accumulate(map(len, parts))]
    middles = [2 * start + len(part) for start, part in zip(starts, parts, strict=False)]
    shares = []
    for number in range(count):
        low = bisect_left(middles, 2 * len(whole) * number / count) if number else 0
        high = bisect_left(middles, 2 * len(whole) * (number + 1) / count)
        some = parts[low : high if number + 1 < count else None]
        if some:
            shares.append((whole.ctypes.data + starts[low], some))
    return shares


def _copy(address: int, parts: Sequence[Buffer]) -> bool:
    """Copy `parts` to `address` one after the other; False: the system does not do it."""
    for first in range(0, len(parts), _MAX_PARTS):
        some = parts[first : first + _MAX_PARTS]
        arrays = [np.frombuffer(part, np.uint8) for part in some]
        sources = (_Iovec * len(some))(
            *(_Iovec(each.__array_interface__["data"][0], len(each)) for each in arrays)
        )
        size = sum(map(len, some))
        call = _Kernel.call
        if call is None:
            return False
        copied = call(os.getpid(), ctypes.byref(_Iovec(address, size)), 1, sources, len(some), 0)
        if copied != size:
            why = os.strerror(ctypes.get_errno()) if copied < 0 else f"{copied} of {size} bytes"
            _log.info("process_vm_readv does not work here (%s): joining without it", why)
            _Kernel.call = None
            return False
        address += size
    return True
