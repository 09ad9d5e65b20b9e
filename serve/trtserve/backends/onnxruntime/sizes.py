"""At which batch size to run, where a change of size costs more than rows that nobody asked for.

ONNX Runtime's convolutions on a GPU keep cuDNN's plans for one input shape only (Conv::UpdateState
in core/providers/cuda/nn/conv.cc): a batch of another size than the last makes every one of them
anew, 0.1 s for a ResNet-50 that runs in 2 ms. Dynamic batches change their size all the time. So a
batch that is smaller than the last is filled up, until changing to a smaller size and back would
have cost less. Pure: rows and measured seconds in, sizes out.
"""

from __future__ import annotations


class BatchSizes:
    """One for each session: a change in one says nothing about another."""

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = 0  # of the last run
        self._first_s = 0.0  # the first run at this size took so long
        self._run_s: float | None = None  # and the fastest of the others; None: there was none
        self._change_s: float | None = None  # what the last change cost; None: not known yet
        self._begin_window()

    def _begin_window(self) -> None:
        self._batches = 0
        self._most_rows = 0  # of any of them
        self._filling_s = 0.0  # what rows that nobody asked for took

    def choose(self, rows: int) -> int:
        """The size, `rows` or more, at which to run the next batch."""
        if rows > self._size:
            return self._grown(rows)
        if self._run_s is None or (rows == self._size and not self._filling_s):
            return self._size  # after a change, one more run at its size tells what it has cost
        self._batches += 1
        self._most_rows = max(self._most_rows, rows)
        self._filling_s += self._run_s * (1 - rows / self._size)
        change_s = self._change_s or 0.0
        if self._filling_s <= 2 * change_s:
            return self._size
        smaller = self._most_rows
        saved_s = self._batches * self._run_s * (1 - smaller / self._size)
        self._begin_window()
        return smaller if saved_s > change_s else self._size

    def _grown(self, rows: int) -> int:
        """Powers of two where changes are dear: a load that rises has few of them."""
        if self._change_s is None or self._run_s is None or self._change_s <= self._run_s:
            return rows
        return min(self._largest, 1 << (rows - 1).bit_length())

    def ran(self, size: int, seconds: float) -> None:
        """A batch of `size` rows took so long."""
        if size != self._size:
            self._size, self._first_s, self._run_s = size, seconds, None
            self._begin_window()
            return
        self._run_s = seconds if self._run_s is None else min(self._run_s, seconds)
        self._change_s = max(0.0, self._first_s - self._run_s)
