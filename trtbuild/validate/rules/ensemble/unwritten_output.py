"""An ensemble output that never gets a value.

What: an `output` of the ensemble is in no `output_map`, or the step that writes it waits for a
tensor that nobody writes.
Why: Triton refuses the model: "ensemble output is not used", "is not written".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    output { name: "c" data_type: TYPE_FP32 dims: [1] }
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

NAME = "unwritten-ensemble-output"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding an output."""
    graph = model.graph
    if not graph.steps:
        return
    written = one_of(graph.writers)
    for index, name in enumerate(graph.outputs):
        if not name or name in graph.ready:
            continue
        missing = graph.missing.get(name)
        why = (
            f"it waits for {one_of(missing)}, which nobody writes"
            if missing
            else "its steps wait for each other"
            if name in graph.writers
            else f"the steps write {written}"
        )
        yield Finding(
            message=f"the ensemble's output '{name}' never gets a value: {why}",
            at=("output", index, "name"),
            hint="map it in a step's output_map",
        )
