"""The kinds of message between the server and a model's process."""

from __future__ import annotations

from typing import Any, NamedTuple

# Server to process. Each is answered once: by its own kind where it went well, else by FAILED.
INITIALIZE = 1  # a note: `Start` as JSON
COMPLETE = 2  # a note: `Start` as JSON; answered by the completed config
EXECUTE = 3  # requests; answered by as many responses
FINALIZE = 4  # a note, empty
FAILED = 5  # process to server; a note: why, as text

# On the second socket: a log record, and the question whether a request is cancelled.
LOG = b"L"
CANCELLED = b"C"


class Start(NamedTuple):
    """What a process is told about its model."""

    file: str  # REPOSITORY/MODEL/VERSION/model.py
    arguments: dict[str, str]  # what `initialize` gets; `model_config` is the config as JSON
    limit_bytes: int  # of shared memory in each direction

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Start:
        """From what `_asdict` gave."""
        return cls(**value)
