"""A step asks for a version that is not loaded.

What: a step's `model_version` is not -1 and none of the versions that its model loads. Left out it
is 0, not the latest.
Why: Triton refuses the model: "required version 0 is not loaded".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "member"
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

Source: Triton core, model_repository_manager.cc, CheckNode; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.fixes import set_field
from trtbuild.validate.model import Model
from trtbuild.validate.places import path_text
from trtbuild.validate.words import one_of

NAME = "step-version"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """One finding a step."""
    for step in model.graph.steps:
        peer = (model.peers or {}).get(step.model)
        given = model.written(path_text(step.at("model_version")))
        if step.version == -1 or (step.version != 0 and (peer is None or not peer.loads)):
            continue
        if peer is not None and (step.version in peer.versions or not peer.loads):
            continue
        # Without a peer the member is missing or nobody knows what is around this config.
        there = one_of(str(version) for version in peer.versions) if peer else ""
        yield Finding(
            message=f"step {step.number} wants version {step.version} of '{step.model}'"
            + ("" if given else " (model_version is left out)")
            + (f", which loads {there}" if there else ""),
            at=step.at("model_version") if given else step.at(),
            hint="write model_version: -1 for the latest",
            fix=set_field(model, step.at(), "model_version", "-1") if step.version == 0 else (),
        )
