"""ReduceL1, ReduceL2, ReduceLogSum, ReduceLogSumExp and ReduceSumSquare in simple reductions.

TensorRT 10.6 forgets the axes of ReduceLogSumExp where they are an input (opset 18) and reduces
all dims. The others are written alike, so that one thing decides about axes: the plain
reductions, whose axes TensorRT takes as an input. ONNX's definition of noop_with_empty_axes: what
comes before and after the reduction is still computed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.contract import ContractError, Job
from trtbuild.surgery.graph import LARGEST, all_graphs, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values, optional

_COMPOUND = frozenset(
    {"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"}
)
_PLAIN = frozenset({"ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum"})


class Reductions(Lowering):
    """See the file's docstring."""

    ops = _COMPOUND | _PLAIN
    idle = "the model has no compound reduction"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Write the compound ones anew; a plain one only where it reduces nothing."""
        if node.op in _PLAIN and not _reduces_nothing(node):
            return False
        write = writer()
        write.finish(_written(node, write))
        return True

    def ensures(self, job: Job) -> None:
        """No compound reduction is left."""
        for graph in all_graphs(job.graph):
            for node in graph.nodes:
                if node.op in _COMPOUND:
                    raise ContractError(f"'{node.name}' is still {node.op}")


def _axes(node: gs.Node, write: Writer) -> gs.Tensor | None:
    if (given := optional(node, 1)) is not None:
        known = constant_values(given)
        return None if known is not None and known.size == 0 else given
    if "axes" in node.attrs:
        return write.constant(node.attrs["axes"], np.int64)
    return None


def _reduces_nothing(node: gs.Node) -> bool:
    given = optional(node, 1)
    known = constant_values(given)
    empty = given is None or (known is not None and known.size == 0)
    return bool(node.attrs.get("noop_with_empty_axes", 0)) and empty and "axes" not in node.attrs


def _written(node: gs.Node, write: Writer) -> gs.Tensor:
    x, keep, noop = node.inputs[0], int(node.attrs.get("keepdims", 1)), _reduces_nothing(node)
    axes = _axes(node, write)

    def sum_of(tensor: gs.Tensor, kept: int = keep) -> gs.Tensor:
        return tensor if noop else write.reduce("ReduceSum", tensor, axes, kept)

    if node.op in _PLAIN:
        return x
    if node.op == "ReduceL1":
        return sum_of(write.op("Abs", x))
    if node.op == "ReduceSumSquare":
        return sum_of(write.op("Mul", x, x))
    if node.op == "ReduceL2":
        return write.op("Abs", x) if noop else write.op("Sqrt", sum_of(write.op("Mul", x, x)))
    if node.op == "ReduceLogSum":
        return write.op("Log", sum_of(x))
    return x if noop else _log_sum_exp(x, axes, keep, write)


def _log_sum_exp(x: gs.Tensor, axes: gs.Tensor | None, keep: int, write: Writer) -> gs.Tensor:
    """Shifted by the largest value, made finite, so that no exponential overflows."""
    largest = _finite(write.reduce("ReduceMax", x, axes, 1), x, write)
    total = write.reduce("ReduceSum", write.op("Exp", write.op("Sub", x, largest)), axes, keep)
    shift = largest if keep else _finite(write.reduce("ReduceMax", x, axes, 0), x, write)
    return write.op("Add", write.op("Log", total), shift)


def _finite(tensor: gs.Tensor, like: gs.Tensor, write: Writer) -> gs.Tensor:
    number = elem_type(like)
    largest = LARGEST.get(number)
    if largest is None:
        return tensor
    if write.opset < 11:
        return write.op("Clip", tensor, min=-largest, max=largest)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
    return write.op("Clip", tensor, write.constant(-largest, dtype), write.constant(largest, dtype))
