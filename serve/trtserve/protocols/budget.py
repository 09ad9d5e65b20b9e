"""How many bytes a server holds for all its clients together: bodies, and answers unsent.

Limits on one request do not bound the memory of a server: thousands of clients may each send most
of a large body, or leave a large answer unread. Who holds such bytes takes them out of the one
budget and gives them back; who wants more than is left is refused.
"""

from __future__ import annotations

# A body is charged as it comes: what it will be touches no memory yet. With huge pages the first
# byte touches this much; larger bodies get their memory when the second is here (see `arriving`).
STEP_BYTES = 2 << 20
STAGED_BYTES = 128 * 1024
_SMALL_STEP_BYTES = 16 * 1024


class Budget:
    """One for a whole server, used by its loop's thread alone."""

    def __init__(self, limit_bytes: int = 1 << 62) -> None:
        self.limit_bytes = limit_bytes
        self.used_bytes = 0

    @property
    def full(self) -> bool:
        """Nothing is left."""
        return self.used_bytes >= self.limit_bytes

    def take(self, count: int) -> bool:
        """Hold `count` bytes more, if that many are left."""
        if self.used_bytes + count > self.limit_bytes:
            return False
        self.used_bytes += count
        return True

    def take_anyway(self, count: int) -> None:
        """Hold `count` bytes more (fewer, if negative): they are there already."""
        self.used_bytes += count

    def give(self, count: int) -> None:
        """Hold `count` bytes no longer."""
        self.used_bytes -= count

    @property
    def refusal(self) -> str:
        """What a client is told for whom nothing is left."""
        return (
            f"the server already holds the {self.limit_bytes} bytes of requests and answers that "
            "it may hold at a time; try again later"
        )


class Share:
    """What one body has taken of a budget."""

    __slots__ = ("_budget", "held_bytes")

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self.held_bytes = 0

    def grow(self, needed: int, at_most: int) -> bool:
        """Hold at least `needed` bytes, a step ahead but no more than `at_most`."""
        if needed <= self.held_bytes:
            return True
        large = needed > STAGED_BYTES and at_most >= STEP_BYTES
        step = STEP_BYTES if large else _SMALL_STEP_BYTES
        target = min(at_most, -(-needed // step) * step)
        if not self._budget.take(target - self.held_bytes):
            return False
        self.held_bytes = target
        return True

    def set(self, count: int) -> None:
        """Hold exactly `count` bytes, whether they were left or not."""
        self._budget.take_anyway(count - self.held_bytes)
        self.held_bytes = count
