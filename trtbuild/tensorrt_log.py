"""What TensorRT complains of. Takes TensorRT's module; a process gives it one logger, the first."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from trtbuild.errors import first_line


class TensorRtLog(NamedTuple):
    """A logger that keeps errors."""

    logger: Any  # the ILogger that TensorRT takes
    said: list[str]  # errors, since `forget`

    def forget(self) -> None:
        """What is said from here on belongs to new work."""
        self.said.clear()

    def cause(self) -> str:
        """The first error since `forget`, of which others follow, in one line."""
        return first_line(Exception(self.said[0])) if self.said else "it says nothing"

    def last(self) -> str:
        """The last error, in one line."""
        return first_line(Exception(self.said[-1])) if self.said else "it says nothing"


def log_of(trt: Any) -> TensorRtLog:
    """A log of the module `trt`; errors go to stderr too, as the last words should it crash."""
    severity, said = trt.ILogger.Severity, list[str]()

    class Logger(trt.ILogger):  # type: ignore[misc] # the module is loaded by name
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, level: Any, message: str) -> None:
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                said.append(message)
                sys.stderr.write(f"{message}\n")

    return TensorRtLog(Logger(), said)
