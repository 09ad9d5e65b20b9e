"""Something that `trtbuild serve` does not do.

What: the repository is judged with `--server trtbuild`, and the config asks for sequence batching,
an ensemble, decoupled responses, or a Python environment of the model's own
(`EXECUTION_ENV_PATH`).
Why: `trtbuild serve` refuses the model, by name. Triton serves it.

Example:
    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "python"
    sequence_batching { direct {} }
    -- demo/1/model.py --

Instead:

    # trtbuild: fixture --server trtbuild
    -- demo/config.pbtxt --
    backend: "python"
    max_batch_size: 8
    dynamic_batching {}
    -- demo/1/model.py --

Source: trtbuild serve, trtserve/completion.py and trtserve/backends/python/backend.py.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import FieldPath, Finding, Severity
from trtbuild.validate.model import Model

NAME = "feature-not-served"
SEVERITY = Severity.ERROR
_HINT = "serve it with Triton, or take it out"


def check(model: Model) -> Iterator[Finding]:
    """One finding a feature."""
    if model.settings.server == "trtbuild":
        for what, at in _features(model):
            yield Finding(message=f"trtbuild serve does not serve {what}", at=at, hint=_HINT)


def _features(model: Model) -> Iterator[tuple[str, FieldPath]]:
    config = model.config
    if config.HasField("sequence_batching"):
        yield "sequence batching", ("sequence_batching",)
    if model.is_ensemble or config.HasField("ensemble_scheduling"):
        yield "ensembles", ("platform",) if model.is_ensemble else ("ensemble_scheduling",)
    if model.backend != "python":
        return
    if config.model_transaction_policy.decoupled:
        yield "decoupled responses", ("model_transaction_policy", "decoupled")
    if "EXECUTION_ENV_PATH" in config.parameters:
        yield "a Python environment of a model's own", ("parameters", "EXECUTION_ENV_PATH")
