"""A member takes smaller batches than its ensemble.

What: a member's `max_batch_size` is not 0 and below the ensemble's.
Why: Triton refuses the model. A member that does not batch (0) is allowed where its dims agree with
the batch dim in front.

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    max_batch_size: 8
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
    }
    -- demo/1/ --
    -- member/config.pbtxt --
    backend: "python"
    max_batch_size: 4
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    -- member/1/model.py --

Instead:

    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
    }
    -- demo/1/ --
    -- member/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    -- member/1/model.py --

Source: Triton core, ensemble_utils.cc, ValidateEnsembleConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "member-batch-size"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding a step."""
    size = model.config.max_batch_size
    for step in model.graph.steps:
        peer = (model.peers or {}).get(step.model)
        if peer is not None and 0 < peer.max_batch_size < size:
            yield Finding(
                message=f"the ensemble takes batches of {size}, its member '{step.model}' of "
                f"{peer.max_batch_size} at most",
                at=("max_batch_size",),
                hint=f"write max_batch_size: {peer.max_batch_size}",
                severity=None if peer.keeps_batch_size else Severity.WARNING,
            )
