"""A CUDA graph that the backend cannot capture.

What: with `optimization.cuda.graphs`, a `graph_spec` has a `batch_size` other than 0 in a model
that does not batch, or one that is not within 1 and `max_batch_size` in one that does; or its
`graph_lower_bound` has other inputs, other ranks, negative dims, or exceeds it.
Why: TensorRT's backend refuses the model.

Example:
    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    max_batch_size: 4
    optimization { cuda { graphs: true graph_spec { batch_size: 8 } } }
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Instead:

    -- demo/config.pbtxt --
    platform: "tensorrt_plan"
    max_batch_size: 4
    optimization { cuda { graphs: true graph_spec { batch_size: 4 } } }
    -- demo/1/model.plan = tensorrt plan 10.9.0.34 --

Source: TensorRT backend, instance_state.cc (InitializeGraphSpecs).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.plans.files import is_plan_model

NAME = "cuda-graph-spec"
SEVERITY = Severity.ERROR
NEEDS = "optimization"


def check(model: Model) -> Iterator[Finding]:
    """One finding a specification."""
    cuda, largest = model.config.optimization.cuda, model.config.max_batch_size
    if not cuda.graphs or not is_plan_model(model):
        return
    for index, spec in enumerate(cuda.graph_spec):
        at = ("optimization", "cuda", "graph_spec", index)
        low, high = (0, 0) if largest == 0 else (1, largest)
        problem = ""
        if not low <= spec.batch_size <= high:
            wanted = f"from {low} to {high}" if high else "0, as the model does not batch"
            problem = f"the batch size {spec.batch_size} of a CUDA graph is not {wanted}"
        elif spec.HasField("graph_lower_bound"):
            problem = _bound(spec, low)
        if problem:
            yield Finding(message=problem, at=at, hint="name a batch that the model can take")


def _bound(spec: Any, low: int) -> str:
    bound = spec.graph_lower_bound
    if not low <= bound.batch_size <= spec.batch_size:
        return f"the lower bound's batch size {bound.batch_size} is not {low} to {spec.batch_size}"
    if set(bound.input) != set(spec.input):
        return "the lower bound has other inputs than its CUDA graph"
    for name in sorted(spec.input):
        below, above = list(bound.input[name].dim), list(spec.input[name].dim)
        fits = len(below) == len(above) and all(
            0 <= small <= large for small, large in zip(below, above, strict=True)
        )
        if not fits:
            return f"the lower bound {below} of '{name}' does not fit {above}"
    return ""
