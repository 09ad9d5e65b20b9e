"""A step joins the answers of a decoupled model with other tensors.

What: a step reads tensors of which one comes from a decoupled model and another does not, or from
another decoupled model; or the ensemble returns such tensors together.
Why: the server could not tell which answer belongs to which; it refuses the model: "receives
inputs originated from different decoupled models".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "stream" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "part" } }
      step { model_name: "join" model_version: -1
             input_map { key: "a" value: "a" } input_map { key: "part" value: "part" }
             output_map { key: "b" value: "b" } }
    }
    -- demo/1/ --
    -- stream/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    model_transaction_policy { decoupled: true }
    -- stream/1/model.py --
    -- join/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    input { name: "part" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    -- join/1/model.py --

Instead:

    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "stream" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
    }
    -- demo/1/ --
    -- stream/config.pbtxt --
    backend: "python"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    model_transaction_policy { decoupled: true }
    -- stream/1/model.py --

Source: Triton core, ensemble_utils.cc, ValidateEnsembleConfig; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.streams import mixed_streams

NAME = "mixed-decoupled-inputs"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding: what comes after it is not known."""
    step = mixed_streams(model.graph, model.peers or {})
    if step == "outputs":
        yield Finding(
            message="the ensemble returns tensors of different decoupled models together",
            at=("output",),
            hint="return the tensors of one decoupled model",
        )
    elif isinstance(step, int):
        name = model.graph.steps[step].model
        yield Finding(
            message=f"step {step} ('{name}') joins the answers of a decoupled model with others",
            at=("ensemble_scheduling", "step", step),
            hint="give it tensors of that decoupled model only",
        )
