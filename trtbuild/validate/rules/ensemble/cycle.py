"""Ensembles that contain each other.

What: the ensemble has itself as a member, or a member that leads back to it.
Why: Triton refuses all of them: "circular dependency between ensembles".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "demo" model_version: -1
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

Source: Triton core, model_repository_manager.cc, CircularDependencyCheck.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "ensemble-cycle"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"


def check(model: Model) -> Iterator[Finding]:
    """At most one finding, at the step that leads back."""
    seen: set[str] = set()
    for step in model.graph.steps:
        way = _way_back(model, step.model, seen)
        if way:
            yield Finding(
                message=f"the ensemble contains itself: {' -> '.join((model.name, *way))}",
                at=step.at("model_name"),
                hint="an ensemble can contain other ensembles, but no circle of them",
            )
            return


def _way_back(model: Model, start: str, seen: set[str]) -> list[str]:
    """The members from `start` back to the model, both included; empty where none leads there.

    From those in `seen` none does; what is looked at comes in there, so that all steps of an
    ensemble together look at each member once.
    """
    peers = model.peers or {}
    came_from = {start: ""}
    queue = deque([start] if start not in seen else [])
    while queue:
        name = queue.popleft()
        if name == model.name:
            return _way(came_from, name)
        seen.add(name)
        for member in peers[name].steps if name in peers else ():
            if member not in seen and member not in came_from:
                came_from[member] = name
                queue.append(member)
    return []


def _way(came_from: dict[str, str], name: str) -> list[str]:
    way = [name]
    while name := came_from[name]:
        way.append(name)
    return way[::-1]
