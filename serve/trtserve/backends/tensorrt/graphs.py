"""Which input shapes get a CUDA graph of their own, and which graph runs a batch. Pure.

As Triton's TensorRT backend (instance_state.cc, InitializeGraphSpecs and FindClosestCudaGraph):
where `optimization.cuda` lists no `graph_spec`, the batch sizes 1, the preferred ones and the
largest with dynamic batching, else 1, 2, 3, 4, 6, 8, 12, 16 and the largest. A graph serves the
shapes that it was captured with; with `graph_lower_bound` also smaller batches down to that. It
then runs as large as it was captured, and of its outputs the first rows are the batch's.

Of two things Triton does, this keeps away. It compares a bound in each dim, so a bound that is
lower in another dim than the batch lets values that lie packed be read as if they lay apart:
here only the batch is padded. And where a bound names no inputs, Triton takes the captured batch
for its first dim, and so never uses it: here `batch_size` is the bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from trtserve.backends.tensorrt.profiles import Shape, Signature, choose
from trtserve.errors import ServeError, invalid

_WITHOUT_BATCHER = (1, 2, 3, 4, 6, 8, 12, 16)
Captured = dict[str, Shape]  # an input's name -> its shape, batch dim included where it has one


class Graph(NamedTuple):
    """A run to capture."""

    shapes: Captured
    lowest: int  # the smallest batch that it serves; 0: the model does not batch


def graphs_of(config: Any, signature: Signature, allowed: Sequence[int]) -> list[Graph]:
    """What to capture, each shape once; shapes of no allowed profile are left out.

    A dim that is variable and that no `graph_spec` gives has the size that the profile is
    optimized for. Raises `ServeError` for a `graph_spec` that names no input of the model or
    other dims than it has, and for a bound that is no batch up to its graph's.
    """
    found: list[Graph] = []
    for batch, lowest, stated in _wanted(config):
        shapes = _shapes(config, signature, allowed, batch, stated)
        if shapes is None:
            continue
        same = next((n for n, graph in enumerate(found) if graph.shapes == shapes), None)
        if same is None:
            found.append(Graph(shapes, lowest))
        else:
            found[same] = Graph(shapes, min(lowest, found[same].lowest))
    return found


def graph_for(graphs: Iterable[Graph], shapes: Mapping[str, Shape]) -> Graph | None:
    """The graph that runs a batch of these input shapes: its own, else the next larger one.

    `graphs`: those that were captured, in whichever profile. Rows beyond the batch hold what an
    earlier run left in the buffers: no row depends on another, which is what batching rests on
    anyway. None: the batch runs without a graph.
    """
    fitting = [graph for graph in graphs if _serves(graph, shapes)]
    return min(fitting, key=_batch_of, default=None)


def _serves(graph: Graph, shapes: Mapping[str, Shape]) -> bool:
    if graph.shapes == shapes:
        return True
    return (
        graph.lowest > 0
        and graph.shapes.keys() == shapes.keys()
        and all(
            captured[1:] == shape[1:] and graph.lowest <= shape[0] <= captured[0]
            for captured, shape in ((graph.shapes[name], shapes[name]) for name in shapes)
        )
    )


def _batch_of(graph: Graph) -> int:
    return next((shape[0] for shape in graph.shapes.values() if shape), 0)


def _wanted(config: Any) -> Iterator[tuple[int, int, dict[str, Shape]]]:
    """Batch sizes (0: the model does not batch), the smallest that is padded to each, and the
    dims that are given for inputs.
    """
    if specs := config.optimization.cuda.graph_spec:
        for spec in specs:
            stated = {name: tuple(each.dim) for name, each in sorted(spec.input.items())}
            yield spec.batch_size, _lowest(spec), stated
        return
    for size in _batch_sizes(config):
        yield size, size, {}


def _lowest(spec: Any) -> int:
    """The smallest batch that a graph serves. Raises `ServeError`."""
    size: int = spec.batch_size
    if not spec.HasField("graph_lower_bound"):
        return size
    bound = spec.graph_lower_bound
    if not min(size, 1) <= bound.batch_size <= size:
        raise invalid(
            f"graph_lower_bound has batch_size {bound.batch_size}, which is not "
            f"{min(size, 1)} to {size}, the batch_size of its graph_spec"
        )
    # Padding in another dim would shift values; such a bound leaves the graph its own shapes.
    same = {name: list(each.dim) for name, each in bound.input.items()} == {
        name: list(each.dim) for name, each in spec.input.items()
    }
    return int(bound.batch_size) if same or not bound.input else size


def _batch_sizes(config: Any) -> list[int]:
    largest = config.max_batch_size
    if not largest:
        return [0]
    if config.WhichOneof("scheduling_choice") == "dynamic_batching":
        sizes = {1, *config.dynamic_batching.preferred_batch_size, largest}
    else:
        sizes = {*_WITHOUT_BATCHER, largest}
    return sorted(size for size in sizes if size <= largest)


def _shapes(
    config: Any, signature: Signature, allowed: Sequence[int], batch: int, stated: Captured
) -> Captured | None:
    """Input shapes of one capture; None where no profile takes them."""
    known = {each.name for each in signature.inputs}
    if unknown := sorted(set(stated) - known):
        raise invalid(f"graph_spec names the input '{unknown[0]}', the plan has {sorted(known)}")
    if bool(batch) != bool(config.max_batch_size) or not 0 <= batch <= config.max_batch_size:
        raise invalid(
            f"graph_spec has batch_size {batch}, max_batch_size is {config.max_batch_size}"
        )
    for index in allowed:
        shapes = {}
        for each in signature.inputs:
            usual = signature.profiles[index][each.name].opt
            first = (batch,) if batch else ()
            inner = stated.get(each.name, usual[len(first) :])
            shapes[each.name] = (*first, *inner)
            if len(shapes[each.name]) != len(each.shape):
                raise invalid(
                    f"graph_spec gives input '{each.name}' {len(inner)} dims, the model has "
                    f"{len(each.shape) - len(first)}"
                )
        try:
            choose(signature, allowed, shapes)
        except ServeError:
            continue
        return shapes
    return None
