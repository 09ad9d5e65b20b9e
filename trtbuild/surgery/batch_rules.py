"""Which ops keep the samples of a batch apart: a proof, op by op, that a batch dim of 1 may vary.

A tensor carries the batch when its axis 0 is batch times `rows` (1 for most; 128 where a
[1, 128, 768] was reshaped to [128, 768]). A rule looks at one node that reads such tensors,
with all shapes as they are at batch 1 (other dims may vary, and are not looked at), and answers
the `rows` of the outputs, or refuses. By induction every row of the outputs then depends on its
own sample alone. Reshapes that spell the batch out are noted, to be rewritten once the whole
graph has passed.
Axes and their defaults: the operator documentation of ONNX, opsets 7 to 25.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import is_standard, label, values_of


class BatchMixedError(Exception):
    """A node may mix samples, or nothing is known of it."""


class View:
    """The graph at batch 1, what carries the batch so far, and the reshapes to rewrite."""

    def __init__(self, graph: gs.Graph) -> None:
        self.opset = int(graph.opset)
        self.rows: dict[str, int] = {tensor.name: 1 for tensor in graph.inputs}
        self.reshapes: list[tuple[gs.Node, list[int]]] = []

    def carries(self, tensor: gs.Tensor) -> bool:
        """Whether axis 0 of `tensor` is the batch."""
        return tensor.name in self.rows

    def shape(self, tensor: gs.Tensor) -> list[int | None]:
        """The shape of `tensor` at batch 1, None for dims that vary; refuses an unknown rank."""
        if tensor.shape is None:
            raise BatchMixedError("the shapes around it are not known")
        return [dim if isinstance(dim, int) else None for dim in tensor.shape]

    def ints(self, node: gs.Node, index: int, name: str = "") -> list[int] | None:
        """The constant integers that input `index`, or in older opsets attribute `name`, holds."""
        if len(node.inputs) > index and node.inputs[index].name:
            if not isinstance(node.inputs[index], gs.Constant):
                raise BatchMixedError("it computes with a shape or an axis")
            return [int(value) for value in np.ravel(values_of(node.inputs[index]))]
        value = node.attrs.get(name)
        return None if value is None else [int(v) for v in np.ravel(value)]


Rule = Callable[[gs.Node, View], int]


def prove(graph: gs.Graph) -> View:
    """Walk the graph, of which each input has a batch dim of 1. Raises `BatchMixedError`.

    Every output then carries the batch, one row a sample.
    """
    view = View(graph)
    for node in graph.nodes:
        if any(view.carries(tensor) for tensor in node.inputs):
            try:
                _advance(node, view)
            except (BatchMixedError, LookupError) as refusal:
                where = f"'{label(node)}' ({node.op}) may mix the samples of a batch"
                raise BatchMixedError(f"{where}: {refusal}") from None
    for tensor in graph.outputs:
        if view.rows.get(tensor.name) != 1:
            raise BatchMixedError(f"the output '{tensor.name}' has no batch dim")
    return view


def _advance(node: gs.Node, view: View) -> None:
    rule = RULES.get(node.op)
    if rule is None or not is_standard(node):
        raise BatchMixedError("no rule is known for this op")
    rows = rule(node, view)
    for output in node.outputs:
        if output.name:
            if view.shape(output)[:1] != [rows]:
                raise BatchMixedError("its first dim is not the batch afterwards")
            view.rows[output.name] = rows


def _only_first(node: gs.Node, view: View) -> int:
    """Only input 0 carries the batch, and the op treats axis 0 as one (Conv, pools, norms)."""
    if any(view.carries(tensor) for tensor in node.inputs[1:]):
        raise BatchMixedError("a parameter of it depends on the sample")
    return view.rows[node.inputs[0].name]


def _elementwise(node: gs.Node, view: View) -> int:
    """Broadcasting: what does not carry the batch must not have that axis, or have it at 1."""
    rank = len(view.shape(node.outputs[0]))
    rows = {view.rows[tensor.name] for tensor in node.inputs if view.carries(tensor)}
    if len(rows) != 1:
        raise BatchMixedError("its inputs have different numbers of rows a sample")
    for tensor in node.inputs:
        if not tensor.name:
            continue
        shape = view.shape(tensor)
        if view.carries(tensor) and len(shape) != rank:
            raise BatchMixedError("the batch is broadcast along another axis")
        if not view.carries(tensor) and len(shape) == rank and shape[0] != 1:
            raise BatchMixedError("a constant of it has a row for each row of the batch")
    return rows.pop()


def _off_axis(default: int, name: str = "axis") -> Rule:
    """The op works along one axis, which must not be the batch."""

    def rule(node: gs.Node, view: View) -> int:
        axis = int(node.attrs.get(name, default))
        _refuse_axis_0([axis], len(view.shape(node.inputs[0])))
        return _only_first(node, view)

    return rule


def _refuse_axis_0(axes: list[int], rank: int) -> None:
    if any(axis % max(rank, 1) == 0 for axis in axes):
        raise BatchMixedError("it works along the batch")


def _softmax(node: gs.Node, view: View) -> int:
    return _off_axis(-1 if view.opset >= 13 else 1)(node, view)


def _concat(node: gs.Node, view: View) -> int:
    _refuse_axis_0([int(node.attrs["axis"])], len(view.shape(node.outputs[0])))
    if not all(view.carries(tensor) for tensor in node.inputs):
        raise BatchMixedError("it joins a constant to each sample")
    return _same_rows(node.inputs, view)


def _same_rows(tensors: list[gs.Tensor], view: View) -> int:
    rows = {view.rows[tensor.name] for tensor in tensors}
    if len(rows) != 1:
        raise BatchMixedError("its inputs have different numbers of rows a sample")
    return rows.pop()


def _axes(index: int) -> Rule:
    """Axes from input `index` or, in older opsets, the attribute; none at all means every axis."""

    def rule(node: gs.Node, view: View) -> int:
        axes = view.ints(node, index, "axes")
        rank = max(len(view.shape(node.inputs[0])), len(view.shape(node.outputs[0])))
        if axes is None:
            raise BatchMixedError("it works along every axis")
        _refuse_axis_0(axes, rank)
        return _only_first(node, view)

    return rule


def _slice(node: gs.Node, view: View) -> int:
    starts = view.ints(node, 1, "starts") or []
    axes = view.ints(node, 3, "axes")
    rank = len(view.shape(node.inputs[0]))
    _refuse_axis_0(list(range(len(starts))) if axes is None else axes, rank)
    return _only_first(node, view)


def _gather(node: gs.Node, view: View) -> int:
    data, indices = node.inputs
    axis = int(node.attrs.get("axis", 0)) % len(view.shape(data))
    if view.carries(data) and not view.carries(indices) and axis != 0:
        return view.rows[data.name]
    if view.carries(indices) and not view.carries(data) and axis == 0:  # an embedding
        return view.rows[indices.name]
    raise BatchMixedError("it picks among the samples")


def _transpose(node: gs.Node, view: View) -> int:
    if not node.attrs.get("perm") or node.attrs["perm"][0] != 0:
        raise BatchMixedError("it moves the batch to another axis")
    return _only_first(node, view)


def _flatten(node: gs.Node, view: View) -> int:
    if int(node.attrs.get("axis", 1)) % len(view.shape(node.inputs[0])) != 1:
        raise BatchMixedError("it merges the batch with another axis")
    return _only_first(node, view)


def _reshape(node: gs.Node, view: View) -> int:
    """Rows stay in order, so any target that some whole number of rows fills is right."""
    wanted = view.ints(node, 1)
    target = view.shape(node.outputs[0])
    if not wanted or not target or target[0] is None:
        raise BatchMixedError("its target shape is not constant")
    rows = _only_first(node, view)
    if wanted[0] > 0:
        # A dim that varies stays what the Reshape has for it: copied (0) or left over (-1).
        rest = [said if dim is None else dim for said, dim in zip(wanted, target, strict=True)][1:]
        first = 0 if target[0] == rows else -1
        if first == -1 and -1 in rest:
            raise BatchMixedError("its target shape leaves two dims open")
        view.reshapes.append((node, [first, *rest]))
    return target[0]


def _gemm(node: gs.Node, view: View) -> int:
    if node.attrs.get("transA", 0) or view.carries(node.inputs[1]):
        raise BatchMixedError("it multiplies along the batch")
    if len(node.inputs) > 2 and node.inputs[2].name:
        bias = view.shape(node.inputs[2])
        if view.carries(node.inputs[2]) or (len(bias) == 2 and bias[0] != 1):
            raise BatchMixedError("its bias has a row for each row of the batch")
    return view.rows[node.inputs[0].name]


def _matmul(node: gs.Node, view: View) -> int:
    """Axis 0 must be one of the stacked axes, or the rows of the left matrix."""
    left, right = node.inputs
    rank = len(view.shape(node.outputs[0]))
    if view.carries(left) and view.carries(right):
        if rank < 3 or not len(view.shape(left)) == len(view.shape(right)) == rank:
            raise BatchMixedError("it multiplies along the batch")
        return _same_rows([left, right], view)
    carrier, other = (left, right) if view.carries(left) else (right, left)
    stacked = len(view.shape(carrier)) >= 3 or carrier is left
    shape = view.shape(other)
    if not stacked or len(view.shape(carrier)) != rank or rank < 2:
        raise BatchMixedError("it multiplies along the batch")
    if len(shape) == rank > 2 and shape[0] != 1:
        raise BatchMixedError("a constant of it has a matrix for each row of the batch")
    return view.rows[carrier.name]


def _pad(node: gs.Node, view: View) -> int:
    pads = view.ints(node, 1, "pads") or []
    axes = view.ints(node, 3)
    rank = len(view.shape(node.inputs[0]))
    amounts = dict.fromkeys(range(rank), 0)
    for position, axis in enumerate(axes if axes is not None else range(rank)):
        amounts[axis % rank] = abs(pads[position]) + abs(pads[position + len(pads) // 2])
    if amounts[0]:
        raise BatchMixedError("it pads the batch")
    return _only_first(node, view)


def _resize(node: gs.Node, view: View) -> int:
    """Scales only: sizes would spell the batch out."""
    index = 2 if node.op == "Resize" and view.opset >= 11 else 1
    given = len(node.inputs) > index and isinstance(node.inputs[index], gs.Constant)
    scales = list(values_of(node.inputs[index])) if given else node.attrs.get("scales", [])
    odd = "axes" in node.attrs or "crop" in node.attrs.get("coordinate_transformation_mode", "")
    if odd or not scales or scales[0] != 1.0:
        raise BatchMixedError("it gives the size of the batch")
    return _only_first(node, view)


def _repeats(node: gs.Node, view: View) -> int:
    """Expand and Tile: a first entry of 1 leaves the batch alone."""
    counts = view.ints(node, 1)
    if not counts or len(counts) != len(view.shape(node.inputs[0])) or counts[0] != 1:
        raise BatchMixedError("it repeats along the batch")
    return _only_first(node, view)


_POINTWISE = """
    Abs Acos Acosh Add And Asin Asinh Atan Atanh BitShift BitwiseAnd BitwiseNot BitwiseOr
    BitwiseXor Cast CastLike Ceil Celu Clip Cos Cosh Div Dropout Elu Equal Erf Exp Floor Gelu
    Greater GreaterOrEqual HardSigmoid HardSwish Identity IsInf IsNaN LeakyRelu Less LessOrEqual
    Log Max Mean Min Mish Mod Mul Neg Not Or PRelu Pow Reciprocal Relu Round Selu Sigmoid Sign
    Sin Sinh Softplus Softsign Sqrt Sub Sum Swish Tan Tanh ThresholdedRelu Where Xor
"""
_PER_SAMPLE = """
    AveragePool BatchNormalization Conv ConvInteger ConvTranspose DepthToSpace GlobalAveragePool
    GlobalLpPool GlobalMaxPool GroupNormalization InstanceNormalization LRN LpPool MaxPool
    SpaceToDepth
"""
_REDUCTIONS = """
    ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd
    ReduceSum ReduceSumSquare Squeeze Unsqueeze
"""
_TABLES: dict[Any, str] = {
    _elementwise: _POINTWISE,
    _only_first: _PER_SAMPLE,
    _axes(1): _REDUCTIONS,
    _off_axis(0): "ArgMax ArgMin Split",
    _off_axis(-1): "LayerNormalization LpNormalization RMSNormalization TopK",
    _off_axis(1): "DequantizeLinear QuantizeLinear",
    _softmax: "Hardmax LogSoftmax Softmax",
    _repeats: "Expand Tile",
    _resize: "Resize Upsample",
}
RULES: dict[str, Rule] = {
    **{op: rule for rule, ops in _TABLES.items() for op in ops.split()},
    "Concat": _concat,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "Transpose": _transpose,
}
