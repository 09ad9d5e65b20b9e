"""Host memory that is used again as soon as nobody refers to it any more."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

import numpy as np

from trtbuild.errors import CudaError
from trtserve.tensors import Array

_SMALLEST_BYTES = 64 * 1024


class Block(Protocol):
    """Memory with an owner: what `trtbuild.cuda.PinnedMemory` is."""

    array: Array  # uint8 [N]

    def free(self) -> None:
        """Give it back."""


class Pageable:
    """Ordinary memory. Kept, it saves the page faults of memory that is new each time."""

    def __init__(self, size_bytes: int) -> None:
        self.array: Array = np.empty(size_bytes, np.uint8)

    def free(self) -> None:
        """It goes with its last reference."""


class Pool:
    """Blocks in sizes of powers of two, made by `allocate`. May be used from any thread.

    Answers hold their block until they are sent, so slow clients hold blocks: beyond `max_bytes`,
    and where `allocate` fails, `take` gives ordinary memory. What was taken may outlive the pool.
    """

    def __init__(self, allocate: Callable[[int], Block], max_bytes: int) -> None:
        self._allocate = allocate
        self._max_bytes = max_bytes
        self._free: defaultdict[int, list[Block]] = defaultdict(list)
        # Garbage may be collected, and so a block come back, on the thread that has the lock.
        self._lock = threading.RLock()
        self._closed = False
        self.allocated_bytes = 0

    def take(self, size_bytes: int) -> Array:
        """Uninitialized memory, uint8 [size_bytes]: it comes back with its last view."""
        block = self._block(max(_SMALLEST_BYTES, 1 << max(0, size_bytes - 1).bit_length()))
        if block is None:
            return np.empty(size_bytes, np.uint8)
        memory = (ctypes.c_uint8 * size_bytes).from_address(block.array.ctypes.data)
        # Views of views refer to this array, since what lies below it is no array.
        whole: Array = np.frombuffer(memoryview(memory), np.uint8)
        weakref.finalize(whole, self._give_back, block).atexit = False
        return whole

    def _block(self, size: int) -> Block | None:
        with self._lock:
            if self._free[size]:
                return self._free[size].pop()
            if self.allocated_bytes + size > self._max_bytes:
                return None
            self.allocated_bytes += size
        try:
            return self._allocate(size)
        except (MemoryError, CudaError):
            with self._lock:
                self.allocated_bytes -= size
            return None

    def _give_back(self, block: Block) -> None:
        with self._lock:
            if not self._closed:
                self._free[len(block.array)].append(block)
                return
        block.free()

    def close(self) -> None:
        """Free what nobody uses now, and the rest as it comes back."""
        with self._lock:
            self._closed = True
            blocks = [block for blocks in self._free.values() for block in blocks]
            self._free.clear()
        for block in blocks:
            block.free()
