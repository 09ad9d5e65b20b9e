"""Let a batch dim that was exported as 1 vary, so that one plan serves many batch sizes.

1. Every input and output begins with a fixed 1: freed, where the graph stays right.
2. Anything else (already free, another size, no batch dim, fixed on request): left alone.
"""

from __future__ import annotations

import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.free_dims import FreeDim, free_dims
from trtbuild.surgery.graph import text

_NAME = "batch"


class FreeBatch(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Free dim 0 of every input, or say what stands against it."""
        if reason := _why_not(job):
            return skipped(reason)
        dims = [FreeDim(tensor, 0, _unused_name(job)) for tensor in job.graph.inputs]
        if problem := free_dims(job, dims):
            return skipped(f"the batch dim stays at 1: {problem}")
        names = ", ".join(text(tensor) for tensor in job.graph.inputs + job.graph.outputs)
        return Done(True, f"the batch dim varies: {names}")

    def ensures(self, job: Job) -> None:
        """Every output's first dim varies."""
        for tensor in job.graph.outputs:
            if not tensor.shape or isinstance(tensor.shape[0], int):
                raise ContractError(f"the output {text(tensor)} kept its batch dim")


def _why_not(job: Job) -> str:
    """Why the batch dim is none of this pass's business; "" when it is."""
    graph = job.graph
    if job.options.batch == "keep":
        return "left as it is on request"
    if not graph.inputs:
        return "the model has no inputs"
    if all(_first_dim(tensor) is None for tensor in graph.inputs + graph.outputs):
        return "it varies already"
    for tensor in graph.inputs + graph.outputs:
        if (tensor.name, 0) in job.kept_dims:
            return f"--input fixes it: {text(tensor)}"
        unknown = tensor in graph.outputs and tensor.shape and _first_dim(tensor) is None
        if _first_dim(tensor) != 1 and not unknown:
            return f"{text(tensor)} has no batch dim of 1"
    return ""


def _first_dim(tensor: gs.Tensor) -> int | None:
    """The size of the first dim; None: it varies; 0: there is none."""
    if not tensor.shape:
        return 0
    return tensor.shape[0] if isinstance(tensor.shape[0], int) else None


def _unused_name(job: Job) -> str:
    taken = {dim for tensor in job.graph.inputs for dim in tensor.shape}
    name = _NAME
    while name in taken:
        name += "_"
    return name
