"""An ensemble without steps.

What: `platform: "ensemble"` without `ensemble_scheduling`, or with no `step` in it.
Why: Triton refuses the model: "ensemble scheduling must be set".

Example:
    platform: "ensemble"

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

Source: Triton core, model_config_utils.cc, ValidateEnsembleSchedulingConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "ensemble-without-steps"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.is_ensemble and not model.graph.steps:
        yield Finding(
            message="the ensemble has no steps",
            at=("ensemble_scheduling",) if model.written("ensemble_scheduling") else ("platform",),
            hint="write ensemble_scheduling { step { ... } }",
        )
