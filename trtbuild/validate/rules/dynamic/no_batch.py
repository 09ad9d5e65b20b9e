"""Dynamic batching in a model that does not batch.

What: `dynamic_batching` with `max_batch_size` 0.
Why: the model loads, and every request is run alone: no batch is ever made.

Example:
    backend: "python"
    dynamic_batching { max_queue_delay_microseconds: 100 }

Instead:

    backend: "python"
    max_batch_size: 8
    dynamic_batching { max_queue_delay_microseconds: 100 }

Source: Triton core, dynamic_batch_scheduler.cc; that it loads was tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "batching-without-batches"
SEVERITY = Severity.WARNING
NEEDS = "dynamic_batching"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding; none where auto-complete may raise `max_batch_size`."""
    if model.config.max_batch_size:
        return
    if not model.fills_tensors or model.written("max_batch_size"):
        yield Finding(
            message="dynamic_batching with max_batch_size 0: no batch is ever made",
            at=("dynamic_batching",),
            hint="set max_batch_size to the largest batch of the model, or take it out",
        )
