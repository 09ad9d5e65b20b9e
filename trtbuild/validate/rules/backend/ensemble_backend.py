"""An ensemble with a backend.

What: `platform: "ensemble"` together with `backend`, or with a `default_model_filename` that stands
for one (`model.plan`).
Why: an ensemble is run by Triton itself; the model is refused: "must have platform type
'ensemble' and empty backend type".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    backend: "python"
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

Source: Triton core, model_config_utils.cc, ValidateModelConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import remove_field
from trtbuild.validate.model import Model

NAME = "ensemble-with-backend"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """At most one finding."""
    if model.is_ensemble and model.backend:
        at = ("backend",) if model.config.backend else ("default_model_filename",)
        yield Finding(
            message=f"an ensemble has no backend, this one has '{model.backend}'",
            at=at,
            hint="take the line out",
            fix=remove_field(model, at),
        )
