"""A step names a model that is not in the repository.

What: a step's `model_name` is no folder of the repository.
Why: Triton refuses the model: "contains models that are not available or ambiguous".

Example:
    -- demo/config.pbtxt --
    platform: "ensemble"
    input { name: "a" data_type: TYPE_FP32 dims: [4] }
    output { name: "b" data_type: TYPE_FP32 dims: [4] }
    ensemble_scheduling {
      step { model_name: "membr" model_version: -1
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

Source: Triton core, model_repository_manager.cc, ConnectDependencyGraph.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model

NAME = "missing-ensemble-member"
SEVERITY = Severity.ERROR
NEEDS = "ensemble_scheduling"
_MOST_MEANT = 20  # names that the likeliest is looked for: each is compared with every model


def check(model: Model) -> Iterator[Finding]:
    """One finding a step."""
    if model.peers is None:
        return
    meant: dict[str, str] = {}  # name -> the model that was meant; ""
    for step in model.graph.steps:
        if step.model and step.model not in model.peers:
            if step.model not in meant and len(meant) < _MOST_MEANT:
                meant[step.model] = _near(step.model, model.neighbours)
            near = meant.get(step.model, "")
            yield Finding(
                message=f"there is no model '{step.model}' in the repository"
                + (f"; did you mean '{near}'?" if near else ""),
                at=step.at("model_name"),
                hint="a model is named by its folder",
            )


def _near(name: str, names: Sequence[str]) -> str:
    by_lower = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else ""
