"""Floats of 8 and 4 bits that TensorRT has no type for, as int32 that hold their codes.

A code becomes the number it stands for by a table, a number its code by counting the thresholds
that it reaches: exact, both ways. Table and thresholds are asked of onnx's own Cast, so rounding,
saturation, infinities and what is not a number are as ONNX says for each type.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx.reference
import onnx_graphsurgeon as gs

from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.graph import (
    Array,
    all_graphs,
    elem_type,
    infer,
    label,
    set_elem_type,
    values_of,
)
from trtbuild.surgery.lower.writer import Writer
from trtbuild.tensor import dtype_from_onnx

_T = onnx.TensorProto
ODD = frozenset(
    {
        _T.FLOAT8E4M3FNUZ, _T.FLOAT8E5M2, _T.FLOAT8E5M2FNUZ, _T.FLOAT8E8M0, _T.FLOAT4E2M1,
    }
)  # fmt: skip
_SOME_ODD = _T.FLOAT8E4M3FN  # which TensorRT has, but casts nothing to
_FLOATS = (_T.FLOAT, _T.FLOAT16, _T.BFLOAT16)
_MOVES = frozenset(
    {
        "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze",
        "Transpose", "Unsqueeze",
    }
)  # fmt: skip
_INFINITY_BITS = 0x7F800000  # of fp32; those of positive numbers are in the order of the numbers
_LARGEST = 1 << 24  # comparisons of one cast


class Coding(NamedTuple):
    """What an fp32 number becomes in a type: its magnitude reaches `thresholds` in turn."""

    thresholds: Array  # fp32 [k]
    codes: Array  # int32 [k + 1]


class OddFloats(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Write every cast from and to such types, and hold their codes."""
        opset = job.graph.opset
        taken = {name for graph in all_graphs(job.graph) for name in graph.tensors()}
        found: dict[str, gs.Tensor] = {}
        for graph in list(all_graphs(job.graph)):
            ends = [*graph.inputs, *graph.outputs]
            tensors = [*graph.tensors().values(), *ends]
            found |= {t.name: t for t in tensors if _is_odd(t)}
            for node in list(graph.nodes):
                _rewrite(graph, node, opset, taken)
        if not found:
            return skipped("the model has no floats of 8 or 4 bits that TensorRT has not")
        for tensor in found.values():
            _hold_codes(tensor)
        job.graph.cleanup().toposort()
        infer(job.graph)
        return Done(True, f"{len(found)} tensors hold codes")


def _is_odd(tensor: gs.Tensor) -> bool:
    number = elem_type(tensor)
    if number == _SOME_ODD:
        return bool(tensor.inputs) and tensor.inputs[0].op == "Cast" and not tensor.outputs
    return number in ODD


def _hold_codes(tensor: gs.Tensor) -> None:
    if isinstance(tensor, gs.Constant):
        tensor._values = values_of(tensor).view(np.uint8).astype(np.int32)
    else:
        set_elem_type(tensor, _T.INT32)


def _rewrite(graph: gs.Graph, node: gs.Node, opset: int, taken: set[str]) -> None:
    inputs = [tensor for tensor in node.inputs if tensor.name and _is_odd(tensor)]
    outputs = [tensor for tensor in node.outputs if tensor.name and _is_odd(tensor)]
    if (not inputs and not outputs) or node.op in _MOVES:
        return
    if node.op == "Constant":
        raise _refused(node, outputs[0], "a constant within a graph that may not run")
    source = elem_type(node.inputs[0])
    if node.op != "Cast" or not (inputs or source in _FLOATS):
        raise _refused(node, (inputs or outputs)[0], "only Cast and what moves values does")
    write = Writer(graph, node, opset, taken)
    value = _decoded(write, node.inputs[0]) if inputs else node.inputs[0]
    if outputs:
        finished = _encoded(write, node, value)
    else:
        target = int(node.attrs["to"])
        finished = value if target == _T.FLOAT else write.op("Cast", value, to=target)
    write.finish(finished)


def _refused(node: gs.Node, tensor: gs.Tensor, why: str) -> SurgeryError:
    dtype = dtype_from_onnx(elem_type(tensor))
    return SurgeryError(
        f"node '{label(node)}' ({node.op}) computes in {dtype.name if dtype else '?'}, of which "
        f"TensorRT has none: {why}",
        "cast to fp32 before it",
    )


def _decoded(write: Writer, tensor: gs.Tensor) -> gs.Tensor:
    """The numbers in fp32 that codes stand for."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(elem_type(tensor))
    count = 16 if elem_type(tensor) == _T.FLOAT4E2M1 else 256
    table = np.arange(count, dtype=np.uint8).view(dtype).astype(np.float32)
    return write.op("Gather", write.constant(table), tensor, axis=0)


def _encoded(write: Writer, node: gs.Node, x: gs.Tensor) -> gs.Tensor:
    """The codes of numbers."""
    number, attrs = int(node.attrs["to"]), _cast_attributes(node)
    positive, negative = coding(number, 1, attrs), coding(number, -1, attrs)
    shape = node.inputs[0].shape
    count = max(len(positive.thresholds), len(negative.thresholds))
    if shape is None or not all(isinstance(dim, int) for dim in shape):
        raise _refused(node, node.outputs[0], "the number of values varies")
    if math.prod(shape) * count > _LARGEST:
        raise _refused(node, node.outputs[0], f"{math.prod(shape)} values are too many to compare")
    x = x if elem_type(x) in (_T.FLOAT, 0) else write.op("Cast", x, to=_T.FLOAT)
    size = write.shaped("Unsqueeze", write.op("Abs", x), [-1])

    def code(of: Coding) -> gs.Tensor:
        reached = write.op("GreaterOrEqual", size, write.constant(of.thresholds))
        steps = write.op("Cast", reached, to=_T.INT32)
        count = write.reduce("ReduceSum", steps, write.constant([-1], np.int64), 0)
        return write.op("Gather", write.constant(of.codes), count, axis=0)

    below = write.op("Less", x, write.constant(0, np.float32))
    signed = write.op("Where", below, code(negative), code(positive))
    nothing = write.constant(_codes(number, attrs, np.array([np.nan], np.float32))[0])
    return write.op("Where", write.op("IsNaN", x), nothing, signed)


def _cast_attributes(node: gs.Node) -> tuple[tuple[str, int | str], ...]:
    return tuple(
        (name, value.decode() if isinstance(value, bytes) else value)
        for name, value in node.attrs.items()
        if name in ("saturate", "round_mode")
    )


@functools.cache
def coding(number: int, sign: int, attrs: tuple[tuple[str, int | str], ...]) -> Coding:
    """Where onnx's Cast from fp32 to the type `number` changes its result, by halving intervals.

    `sign`: of the numbers, 1 or -1. The results for larger and larger magnitudes never come back
    to an earlier one, so an interval with the same result at both ends has no other within.
    """

    def code(bits: Array) -> Array:
        return _codes(number, attrs, sign * bits.astype(np.uint32).view(np.float32))

    low, high = np.array([0]), np.array([_INFINITY_BITS])
    changes: list[int] = []
    while low.size:
        middle = (low + high) // 2
        left, right = np.concatenate([low, middle]), np.concatenate([middle, high])
        differ = code(left) != code(right)
        left, right = left[differ], right[differ]
        done = right - left == 1
        changes += right[done].tolist()
        low, high = left[~done], right[~done]
    bits = np.array([0, *sorted(changes)])
    return Coding(bits[1:].astype(np.uint32).view(np.float32), code(bits))


def _codes(number: int, attrs: tuple[tuple[str, int | str], ...], values: Array) -> Array:
    """What onnx's Cast makes of fp32 `values` [n], as int32 codes [n]."""
    made = _caster(number, attrs)({"x": values})
    return np.asarray(made).view(np.uint8).astype(np.int32)


@functools.cache
def _caster(
    number: int, attrs: tuple[tuple[str, int | str], ...]
) -> Callable[[dict[str, Array]], Array]:
    helper = onnx.helper
    given: dict[str, Any] = dict(attrs)
    cast = helper.make_node("Cast", ["x"], ["y"], to=number, **given)
    graph = helper.make_graph(
        [cast],
        "cast",
        [helper.make_tensor_value_info("x", _T.FLOAT, ["n"])],
        [helper.make_tensor_value_info("y", number, ["n"])],
    )
    evaluator = onnx.reference.ReferenceEvaluator(helper.make_model(graph))

    def run(feed: dict[str, Array]) -> Array:
        with np.errstate(all="ignore"):
            (made,) = evaluator.run(None, feed)
        return np.asarray(made)

    return run
