"""Memory management, kept from stopping the event loop.

A full collection of Python's garbage collector looks at every object there is: with frameworks'
and models' that took 15 to 30 ms, every ten thousand requests or so. What a server holds for long
is set aside, so that a full collection sees what requests have left behind alone.

glibc gives freed memory at the end of its heap back to the system at once, and takes large blocks
from there anew each time: with tensors of 600 KB that were 300 page faults a request, a third of
its time and the whole tail of its latency.
"""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc
# Larger blocks are the system's again when they are freed, whatever lies around them.
MMAP_BYTES = 4 << 20
_TRIM_BYTES = 32 << 20


def set_aside() -> None:
    """Collect once more, then leave what is there out of later collections."""
    gc.unfreeze()  # what was set aside before may be garbage by now: models that were unloaded
    gc.collect()
    gc.freeze()


def keep_freed() -> bool:
    """Have this process keep up to 32 MiB at the end of its heap.

    False where its allocator knows no such thing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES) and mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES))
