"""A map that names a tensor its model does not have, or misses one.

What: a key of `input_map` or `output_map` is no input or output of the step's model, or a required
input of the model is not mapped. Optional inputs may stay unmapped, outputs too.
Why: Triton refuses the model.

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "member" model_version: -1
             input_map { key: "a" value: "a" } output_map { key: "c" value: "b" } }
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

Source: Triton core, ensemble_utils.cc, ValidateEnsembleConfig.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.words import one_of

NAME = "step-mapping"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding a key or input."""
    for step in model.graph.steps:
        peer = (model.peers or {}).get(step.model)
        if peer is None or not peer.loads:
            continue
        for field, keys, ports in (
            ("input_map", step.inputs, peer.inputs),
            ("output_map", step.outputs, peer.outputs),
        ):
            names = {port.name for port in ports}
            for key in sorted(keys.keys() - names) if peer.complete else ():
                role = field.removesuffix("_map")
                yield Finding(
                    message=f"'{step.model}' has no {role} '{key}'; it has {one_of(names)}",
                    at=step.at(field, key),
                    hint="the key is the member's tensor, the value the ensemble's",
                )
        required = {port.name for port in peer.inputs if not port.optional}
        if step.inputs:
            for name in sorted(required - step.inputs.keys()):
                yield Finding(
                    message=f"step {step.number} does not map the input '{name}' of '{step.model}'",
                    at=step.at(),
                    hint=f'write input_map {{ key: "{name}" value: ... }}',
                )
