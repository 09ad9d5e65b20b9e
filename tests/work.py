"""What a call costs, counted: no test is decided by how long something takes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# When a test gives up on what never comes: a hang, not slowness.
HANGS_S = 300


class Count:
    """Of a `lines_run` block, once it is over."""

    lines = 0


@contextmanager
def lines_run() -> Iterator[Count]:
    """Count the lines of Python that this thread runs, in whatever function.

    What grows with the square of its input does so in lines too, unless C code does it in one.
    """
    count = Count()

    def each(_frame: FrameType, event: str, _argument: Any) -> Any:
        count.lines += event == "line"
        return each

    before = sys.gettrace()
    sys.settrace(each)
    try:
        yield count
    finally:
        sys.settrace(before)
