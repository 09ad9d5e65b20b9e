"""`pb_utils.Logger`: what a model logs goes to the server's log, by its settings."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable
from typing import ClassVar


class LogLevel(enum.IntEnum):
    """Levels by the numbers that Triton gives them."""

    INFO = 0
    WARNING = 1
    ERROR = 2
    VERBOSE = 3


_Level = LogLevel  # within Logger, that name is a member

# (level, file, line, message). The process puts its way to the server here.
Send = Callable[[LogLevel, str, int, str], None]


def _to_stderr(level: LogLevel, file: str, line: int, message: str) -> None:
    sys.stderr.write(f"{level.name} {file}:{line}: {message}\n")


class Logger:
    """Static methods only, as Triton's."""

    LogLevel: ClassVar[type[_Level]] = LogLevel
    INFO: ClassVar = LogLevel.INFO
    WARNING: ClassVar = LogLevel.WARNING
    ERROR: ClassVar = LogLevel.ERROR
    VERBOSE: ClassVar = LogLevel.VERBOSE
    send: ClassVar[Send] = staticmethod(_to_stderr)

    @staticmethod
    def log(message: str, level: _Level = _Level.INFO) -> None:
        """Log at a level."""
        _log(level, message)

    @staticmethod
    def log_info(message: str) -> None:
        """Log at INFO."""
        _log(LogLevel.INFO, message)

    @staticmethod
    def log_warn(message: str) -> None:
        """Log at WARNING."""
        _log(LogLevel.WARNING, message)

    @staticmethod
    def log_error(message: str) -> None:
        """Log at ERROR."""
        _log(LogLevel.ERROR, message)

    @staticmethod
    def log_verbose(message: str) -> None:
        """Log where the server's verbose level is above 0."""
        _log(LogLevel.VERBOSE, message)


def _log(level: LogLevel, message: str) -> None:
    if not isinstance(message, str) or not isinstance(level, LogLevel):
        raise TypeError(  # as Triton, which takes no number for a level either
            f"Logger.log(message: str, level=Logger.INFO) was given ({message!r}, {level!r})"
        )
    caller = sys._getframe(2)  # no other way to a caller's line is as cheap
    Logger.send(level, caller.f_code.co_filename, caller.f_lineno, message)
