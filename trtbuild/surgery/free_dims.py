"""Let fixed dims vary, where the graph stays right; else leave it as it was and say why.

1. A batch dim of 1 on every input: a proof, op by op (`batch_rules`); Reshapes that spell the
   batch out are rewritten.
2. Where the proof fails, and for other dims, a trial in ONNX Runtime: the freed graph gives the
   old answers at the old size; two samples in one batch give what each gives alone; other dims
   at least run at another size.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.errors import first_line
from trtbuild.surgery.batch_rules import BatchMixedError, prove
from trtbuild.surgery.contract import Job
from trtbuild.surgery.graph import (
    Array,
    forget_shapes,
    fresh_name,
    graph_from_model,
    infer,
    model_from_graph,
    values_of,
)
from trtbuild.surgery.trial import run, shapes_to_try, values_for

# Two runs of one model may sum in another order; fp32 rounding times a few hundred.
_RTOL, _ATOL = 1e-3, 1e-4


class FreeDim(NamedTuple):
    """Dim `axis` of the input `tensor` is to vary and be called `name`."""

    tensor: gs.Tensor
    axis: int
    name: str


def free_dims(job: Job, dims: list[FreeDim]) -> str:
    """Free `dims`; returns "" or, with the graph as it was, why they cannot vary."""
    if refusal := _free_by_proof(job.graph, dims):
        return _free_by_trial(job, dims, refusal)
    return ""


def _free_by_proof(graph: gs.Graph, dims: list[FreeDim]) -> str:
    freed = {dim.tensor.name for dim in dims if dim.axis == 0 and dim.tensor.shape[0] == 1}
    if len(freed) != len(dims) or freed != {tensor.name for tensor in graph.inputs}:
        return "they are not the batch dim of every input"
    try:
        view = prove(graph)
    except BatchMixedError as refusal:
        return str(refusal)
    for node, target in view.reshapes:
        _set_target(graph, node, target)
    _set_names(graph, dims)
    for tensor in graph.outputs:  # proved, also where inference cannot tell
        tensor.shape[0] = tensor.shape[0] or dims[0].name
    return ""


def _set_target(graph: gs.Graph, node: gs.Node, target: list[int]) -> None:
    name = fresh_name(graph, f"{node.outputs[0].name}__shape")
    node.inputs[1] = gs.Constant(name, np.array(target, dtype=np.int64))
    node.attrs.pop("allowzero", None)  # a 0 copies the input's dim


def _set_names(graph: gs.Graph, dims: list[FreeDim]) -> None:
    inputs = {tensor.name: tensor for tensor in graph.inputs}
    for tensor, axis, name in dims:
        inputs[tensor.name].shape[axis] = name
    forget_shapes(graph)
    infer(graph)


def _free_by_trial(job: Job, dims: list[FreeDim], refusal: str) -> str:
    """Change a copy of the graph, and take it if it behaves; `refusal`: why there is no proof."""
    freed = graph_from_model(model_from_graph(job.graph))
    sizes = {dim.tensor.name: dim.tensor.shape[0] for dim in dims if dim.axis == 0}
    for node in list(freed.nodes):
        _unspell_batch(freed, node, set(sizes.values()))
    freed.cleanup().toposort()
    _set_names(freed, dims)
    try:
        problem = _misbehaviour(job.graph, freed, dims, job)
    except Exception as error:
        problem = f"ONNX Runtime cannot run it: {first_line(error)}"
    if problem:
        return f"{refusal}; and a trial says: {problem}"
    job.graph = freed
    return ""


def _unspell_batch(graph: gs.Graph, node: gs.Node, sizes: set[int]) -> None:
    """A Reshape that begins with the batch size: copy that dim from the input.

    Its target is constant, or joined from a constant and sizes of dims that vary.
    """
    if node.op != "Reshape" or node.attrs.get("allowzero", 0) or not node.inputs[0].shape:
        return
    batch, given = node.inputs[0].shape[0], node.inputs[1]
    if batch not in sizes:
        return
    if isinstance(given, gs.Constant):
        target = [int(value) for value in values_of(given)]
        if target[:1] == [batch]:
            _set_target(graph, node, [0, *target[1:]])
        return
    maker = given.inputs[0] if given.inputs else None
    first = maker.inputs[0] if maker is not None and maker.op == "Concat" else None
    if maker is None or not isinstance(first, gs.Constant):
        return
    head = [int(value) for value in np.ravel(values_of(first))]
    if head[:1] == [batch]:
        copied = fresh_name(graph, f"{first.name}__copied")
        others = maker.inputs[1:]
        joined = gs.Variable(fresh_name(graph, f"{given.name}__copied"), given.dtype, given.shape)
        parts = [gs.Constant(copied, np.array([0, *head[1:]], np.int64)), *others]
        graph.nodes.append(gs.Node("Concat", joined.name, {"axis": 0}, parts, [joined]))
        node.inputs[1] = joined


def _misbehaviour(old: gs.Graph, freed: gs.Graph, dims: list[FreeDim], job: Job) -> str:
    """What `freed` does wrong at the first shapes that `old` runs at; "" when nothing."""
    batched = {dim.tensor.name for dim in dims if dim.axis == 0}
    others = [dim for dim in dims if dim.axis != 0]
    feeds, expected = _old_runs(old, job, batched)
    (actual,) = run(freed, feeds[0])
    if not _agree(expected[0], actual):
        return "the graph gives other values once they vary"
    if batched:
        both = {k: np.concatenate([feeds[0][k], feeds[1][k]]) for k in batched}
        (actual,) = run(freed, {**feeds[0], **both})
        wanted = {k: np.concatenate([expected[0][k], expected[1][k]]) for k in actual}
        if not _agree(wanted, actual):
            return "two samples in one batch give other values than one by one"
    if others:
        shapes = {name: list(array.shape) for name, array in feeds[0].items()}
        for tensor, axis, _ in others:
            shapes[tensor.name][axis] *= 2  # half would not suit the strides of the model
        run(freed, values_for(freed, {k: tuple(v) for k, v in shapes.items()}, job.options.seed))
    return ""


def _old_runs(
    graph: gs.Graph, job: Job, batched: set[str]
) -> tuple[list[dict[str, Array]], list[dict[str, Array]]]:
    """Two samples that differ in the inputs `batched`, and what `graph` makes of them."""
    failure: Exception | None = None
    for shapes in shapes_to_try(graph, job.options):
        one, other = (values_for(graph, shapes, job.options.seed + k) for k in (0, 1))
        feeds = [one, {k: other[k] if k in batched else one[k] for k in one}]
        try:
            return feeds, run(graph, *feeds)
        except Exception as error:
            failure = failure or error
    raise failure or RuntimeError("the model has no shapes to try")


def _agree(expected: dict[str, Array], actual: dict[str, Array]) -> bool:
    """Shapes, exact values of integers, and floats but for the order of summing."""
    return all(
        expected[name].shape == actual[name].shape and _close(expected[name], actual[name])
        for name in expected
    )


def _close(expected: Array, actual: Array) -> bool:
    if expected.dtype.kind not in "fV":
        return bool(np.array_equal(expected, actual))
    wide = expected.astype(np.float64)
    finite = np.abs(wide[np.isfinite(wide)])
    scale = float(finite.max(initial=0.0))
    return np.allclose(
        wide, actual.astype(np.float64), rtol=_RTOL, atol=_ATOL * scale, equal_nan=True
    )
