"""A tensor inside the ensemble that nobody uses, or that nobody writes.

What: a tensor that a step writes, no step reads and the ensemble does not return; or one that a
step reads and that never gets a value.
Why: Triton refuses the model: "is unused in ensemble". An output of a member that is not wanted
must be left out of `output_map`.

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } }
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "b" } output_map { key: "b" value: "left_over" } }
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

NAME = "unused-ensemble-tensor"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding a tensor."""
    graph = model.graph
    there = one_of(graph.ready.union(graph.inputs))
    for tensor in sorted(graph.tensors - set(graph.outputs)):
        writers = graph.writers.get(tensor, [])
        readers = [step for step in graph.readers.get(tensor, ()) if step.outputs]
        if tensor not in graph.ready and readers:
            key = graph.input_keys[readers[0].number][tensor]
            yield Finding(
                message=f"the tensor '{tensor}' never gets a value; there are {there}",
                at=readers[0].at("input_map", key),
                hint="map it in the output_map of an earlier step, or make it an input",
            )
        elif not readers:
            at = (
                writers[0].step.at("output_map", writers[0].key)
                if writers
                else ("ensemble_scheduling",)
            )
            yield Finding(
                message=f"no step reads the tensor '{tensor}', and it is no output",
                at=at,
                hint="take it out of output_map, or make it an output of the ensemble",
            )
