"""Ensemble steps in a model that is no ensemble.

What: `ensemble_scheduling` is set and `platform` is not "ensemble".
Why: Triton refuses the model: "ensemble scheduling cannot be set".

Example:
    backend: "python"
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
    }

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
from trtbuild.validate.fixes import add_line
from trtbuild.validate.model import Model

NAME = "steps-without-ensemble"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if not model.is_ensemble:
        given = (
            f"the platform is '{model.config.platform}'" if model.config.platform else "it has none"
        )
        yield Finding(
            message=f"ensemble_scheduling needs the platform 'ensemble'; {given}",
            at=("platform",) if model.config.platform else ("ensemble_scheduling",),
            hint='write platform: "ensemble" and no backend',
            fix=()
            if model.config.platform or model.config.backend
            else add_line(model, 'platform: "ensemble"'),
        )
