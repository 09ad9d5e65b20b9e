"""Whether a peer goes on with what it has begun, at a pace that is worth waiting for."""

from __future__ import annotations

# Within each timeout: 16 KiB a minute is slower than any link and faster than one byte a second.
_LEAST_BYTES = 16 * 1024


class Pace:
    """Looks at one thing at a time that a peer has begun: a request, or reading an answer."""

    __slots__ = ("_bytes", "_since", "_what")

    def __init__(self) -> None:
        self._what: object = None
        self._bytes = 0
        self._since = 0.0

    def stalled(self, what: object, moved: int, now: float, timeout_s: float) -> bool:
        """Whether too little of `what` moved for `timeout_s`; `moved` is its bytes so far.

        What is new (other than last time) has the whole timeout; None is nothing, and never stalls.
        Less than before, where more has come to be moved, is no progress.
        """
        if what is None:
            self._what = None
            return False
        if what != self._what or moved >= self._bytes + _LEAST_BYTES:
            self._what, self._bytes, self._since = what, moved, now
        self._bytes = min(self._bytes, moved)
        return now - self._since > timeout_s
