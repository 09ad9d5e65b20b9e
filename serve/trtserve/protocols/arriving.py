"""A body or message whose length is known and whose bytes are coming: where they go.

Its memory is made when it is begun, so that the socket reads straight into it, and numpy leaves it
untouched: what is only promised costs nothing. But of memory with huge pages the first byte touches
2 MiB. So what is large enough for one gets its own memory when a first part is here, which is
copied then; who promises much and sends a byte holds as much as it has sent.
"""

from __future__ import annotations

import numpy as np

from trtserve.protocols.budget import STAGED_BYTES, STEP_BYTES


class Arriving:
    """The memory of one body, filled from its start."""

    __slots__ = ("filled", "length", "memory")

    def __init__(self, length: int, *, staged: bool = True) -> None:
        """`staged`: its first part is waited for, where it is large."""
        self.length = length
        self.filled = 0  # bytes that are here
        staged = staged and length >= STEP_BYTES
        self.memory = np.empty(STAGED_BYTES if staged else length, np.uint8).data

    @property
    def space(self) -> memoryview:
        """Where the next bytes belong; not empty until all are here."""
        return self.memory[self.filled :]

    def add(self, data: memoryview) -> int:
        """Take of `data` what belongs to it. Returns how much that was."""
        taken = 0
        while taken < len(data) and self.filled < self.length:
            part = data[taken : taken + len(self.memory) - self.filled]
            self.memory[self.filled : self.filled + len(part)] = part
            self.advance(len(part))
            taken += len(part)
        return taken

    def advance(self, count: int) -> None:
        """`count` bytes were written into `space`."""
        self.filled += count
        if self.filled == len(self.memory) < self.length:
            first, self.memory = self.memory, np.empty(self.length, np.uint8).data
            self.memory[: self.filled] = first
