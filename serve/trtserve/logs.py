"""The server's log, and the settings of it that clients may change (logging extension)."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from trtbuild.printable import printable
from trtserve.errors import Kind, ServeError, invalid

_FLAGS = {
    "log_error": logging.ERROR,
    "log_warning": logging.WARNING,
    "log_info": logging.INFO,
}
_FORMATS = ("default", "ISO8601")


class _Formatter(logging.Formatter):
    """`I1121 05:30:00.123 text` as Triton writes it, or ISO 8601 time first."""

    def __init__(self, settings: LogSettings) -> None:
        super().__init__()
        self._settings = settings

    def format(self, record: logging.LogRecord) -> str:
        message = printable(record.getMessage())
        if record.exc_info:
            trace = self.formatException(record.exc_info).splitlines()
            message += "".join(f"\n    {printable(line)}" for line in trace)
        level, ms = record.levelname[0] if record.levelno > logging.DEBUG else "V", record.msecs
        if self._settings.values["log_format"] == "ISO8601":
            utc = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
            return f"{utc}.{ms:03.0f}Z {level} {message}"
        here = time.strftime("%m%d %H:%M:%S", time.localtime(record.created))
        return f"{level}{here}.{ms:03.0f} {message}"


class LogSettings:
    """What is logged. Holds the handler of the logger `trtserve` while the server runs."""

    def __init__(self, verbose: int = 0) -> None:
        self.values: dict[str, Any] = {
            "log_file": "",
            "log_info": True,
            "log_warning": True,
            "log_error": True,
            "log_verbose_level": verbose,
            "log_format": "default",
        }
        self._logger = logging.getLogger("trtserve")
        self._handler = logging.StreamHandler()
        self._handler.setFormatter(_Formatter(self))
        self._handler.addFilter(self._wanted)
        self._logger.setLevel(logging.DEBUG)
        self._logger.addHandler(self._handler)

    def close(self) -> None:
        """Leave the logger as it was."""
        self._logger.removeHandler(self._handler)

    def _wanted(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.INFO:
            return bool(self.values["log_verbose_level"])
        for flag, level in _FLAGS.items():
            if record.levelno >= level:
                return bool(self.values[flag])
        return True

    def update(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings, all or none. Raises `ServeError`. Returns what holds now."""
        for name, value in changes.items():
            self._check(name, value)
        self.values.update(changes)
        return self.values

    def _check(self, name: str, value: Any) -> None:
        if name not in self.values:
            raise invalid(f"there is no log setting '{name}'; there are {', '.join(self.values)}")
        if name == "log_file":
            # A client must not choose a file that the server writes to.
            raise ServeError(
                Kind.UNSUPPORTED, "log file location can not be updated through network protocol"
            )
        if name in _FLAGS and not isinstance(value, bool):
            raise invalid(f"log setting '{name}' must be true or false")
        if name == "log_verbose_level" and (type(value) is not int or not 0 <= value < 2**31):
            raise invalid("log setting 'log_verbose_level' must be a number from 0")
        if name == "log_format" and value not in _FORMATS:
            raise invalid(f"log setting 'log_format' must be one of {', '.join(_FORMATS)}")
