"""What a worker and its parent say to each other: one JSON object a line.

Parent to worker: a `Call`. Worker to parent: any number of `Progress`, then one `Result` or
one `Failure`. The worker's standard output is the channel; whatever the frameworks print goes
to its standard error, whose end the parent keeps to explain a crash.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trtbuild.artifacts import Progress


class Call(msgspec.Struct, frozen=True):
    """Run `function` ("module:attribute") with these keyword arguments, in JSON form."""

    function: str
    arguments: dict[str, Any]


class Step(msgspec.Struct, frozen=True, tag="progress"):
    """The work goes on."""

    progress: Progress


class Result(msgspec.Struct, frozen=True, tag="result"):
    """The function returned; `value` in JSON form."""

    value: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, tag="failure"):
    """The function raised: a `TrtbuildError`, or with `traceback` a bug of ours."""

    error: dict[str, str]
    traceback: str = ""


Answer = Step | Result | Failure
