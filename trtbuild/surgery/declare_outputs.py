"""Say of outputs what the graph makes: files declare them wrongly, and configs are made of that.

1. The number of dims: as ONNX infers it from the nodes, whatever the file declares.
2. Where an input's first dim is the batch and an output's is another one that varies, or nothing
   tells how many dims an output has: two runs in ONNX Runtime, with batches of 2 and 3. A first
   dim that follows them is the batch; one that does not is none, and the model is served without
   batches.
3. A graph that ONNX Runtime cannot run: left as it is declared.
"""

from __future__ import annotations

import contextlib

import onnx_graphsurgeon as gs

from trtbuild.surgery import trial
from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.graph import Shape, infer

_BATCHES = (2, 3)


class DeclareOutputs(Pass):
    """Case 2; case 1 is done when the graph is read: `infer_output_ranks`."""

    def apply(self, job: Job) -> Done:
        """Run the graph where a first dim has to be told from a batch."""
        batch = _batch_name(job.graph)
        doubtful = [t for t in job.graph.outputs if _is_doubtful(t, batch)]
        if batch is None or not doubtful:
            return skipped("the first dim of every output is known")
        shapes = [_shapes_at(job, size) for size in _BATCHES]
        if any(found is None for found in shapes):
            return skipped("ONNX Runtime cannot run the graph; outputs are as they are declared")
        notes = [
            _declare(job, tensor, batch, [found[tensor.name] for found in shapes if found])
            for tensor in doubtful
        ]
        infer(job.graph)
        return Done(True, "; ".join(notes))


def infer_output_ranks(graph: gs.Graph) -> None:
    """Give outputs the number of dims that follows from the nodes, where it follows: case 1."""
    declared = {tensor.name: tensor.shape for tensor in graph.outputs}
    for tensor in graph.outputs:
        if isinstance(tensor, gs.Variable) and tensor.inputs:
            tensor.shape = None
    infer(graph)
    for tensor in graph.outputs:
        said = declared[tensor.name]
        if tensor.shape is None:
            tensor.shape = said
        elif said is not None and len(said) == len(tensor.shape):
            tensor.shape = [
                name if dim is None else dim for dim, name in zip(tensor.shape, said, strict=True)
            ]


def _batch_name(graph: gs.Graph) -> str | None:
    """The name of the first dim that every input has; None: there is no such dim."""
    firsts = {tensor.shape[0] if tensor.shape else 0 for tensor in graph.inputs}
    first = firsts.pop() if len(firsts) == 1 else None
    return first if isinstance(first, str) else None


def _is_doubtful(tensor: gs.Tensor, batch: str | None) -> bool:
    if tensor.shape is None:
        return True
    return bool(tensor.shape) and not isinstance(tensor.shape[0], int) and tensor.shape[0] != batch


def _shapes_at(job: Job, batch: int) -> dict[str, tuple[int, ...]] | None:
    """The outputs' shapes at `batch`, at the first sizes that the graph runs at."""
    for shapes in trial.shapes_to_try(job.graph, job.options):
        sized = {name: (batch, *shape[1:]) for name, shape in shapes.items()}
        with contextlib.suppress(Exception):  # of ONNX Runtime, which raises what it likes
            inputs = trial.values_for(job.graph, sized, job.options.seed)
            (outputs,) = trial.run(job.graph, inputs)
            return {name: array.shape for name, array in outputs.items()}
    return None


def _declare(job: Job, tensor: gs.Variable, batch: str, seen: list[tuple[int, ...]]) -> str:
    rank = len(seen[0])
    if tensor.shape is None or len(tensor.shape) != rank:
        unknown: Shape = [None] * rank
        tensor.shape = unknown
    firsts = tuple(shape[0] if shape else 0 for shape in seen)
    if firsts == _BATCHES:
        tensor.shape[0] = batch
        return f"the first dim of '{tensor.name}' is the batch, as two runs show"
    job.unbatched.append(tensor.name)
    return (
        f"the first dim of '{tensor.name}' is not the batch (batches of {_BATCHES[0]} and "
        f"{_BATCHES[1]} give {list(seen[0])} and {list(seen[1])})"
    )
