"""Views that wait for long: they must not keep more memory than they show, and are counted as."""

from __future__ import annotations


def own(view: memoryview) -> memoryview:
    """`view`, or a copy of it where what it is a view of is more than twice as large.

    An answer is a view of its whole batch's, a small message one of the read that it came in.
    """
    whole = memoryview(view.obj).nbytes
    return memoryview(bytes(view)) if whole > 2 * view.nbytes else view
