"""A batching strategy that cannot be used.

What: the parameter `TRITON_BATCH_STRATEGY_PATH` names no file, one outside the model's folder,
or stands beside `sequence_batching`.
Why: Triton refuses the model.

Example:
    backend: "python"
    parameters { key: "TRITON_BATCH_STRATEGY_PATH" value { string_value: "strategy.so" } }

Instead:

    backend: "python"

Source: Triton core, backend_model.cc; tried on Triton 2.51. Whether the library has the five
functions that Triton calls cannot be seen without loading it.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.foreign import fence_of, stated_path
from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "unusable-batch-strategy"
SEVERITY = Severity.ERROR
NEEDS = "parameters"
KEY = "TRITON_BATCH_STRATEGY_PATH"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    config = model.config
    if KEY not in config.parameters or model.directory is None or model.is_ensemble:
        return
    at = ("parameters", KEY)
    given = config.parameters[KEY].string_value
    root = model.directory.path
    path = stated_path(given)
    if config.HasField("sequence_batching"):
        yield Finding(
            message=f"{KEY} beside sequence_batching",
            at=at,
            hint="a batching strategy is for dynamic batching; take one of the two out",
        )
    elif not path.is_file():
        yield Finding(
            message=f"{KEY} names '{given}', which is no file",
            at=at,
            hint="give the absolute path of a library in the model's folder, as the server sees it",
        )
    elif not fence_of(root).holds(path):
        yield Finding(
            message=f"{KEY} names '{given}', outside the model's folder",
            at=at,
            hint="copy the library into the model's folder",
        )
