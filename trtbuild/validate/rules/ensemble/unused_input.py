"""An ensemble input that no step reads.

What: an `input` of the ensemble is in no `input_map`.
Why: Triton refuses the model: "ensemble input is not used". A key given twice in one `input_map`
counts once, with its last value.

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    input { name: "unused" data_type: TYPE_FP32 dims: [1] }
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

Source: Triton core, model_config_utils.cc, ValidateEnsembleSchedulingConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.words import one_of

NAME = "unused-ensemble-input"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding an input."""
    graph = model.graph
    if not graph.steps:
        return
    read = one_of(graph.readers)
    for index, name in enumerate(graph.inputs):
        if name and name not in graph.tensors:
            yield Finding(
                message=f"no step reads the ensemble's input '{name}'; they read {read}",
                at=("input", index, "name"),
                hint="map it in a step's input_map, or take it out",
            )
