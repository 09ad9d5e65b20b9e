"""Integers of a width that TensorRT does not compute with, in the next one that holds them all.

int8, uint8, int16 and uint16 become int32, uint32 becomes int64; what an op may carry beyond the
narrow type is wrapped round as in the narrow type, so that every value stays what it was. int8
between QuantizeLinear and DequantizeLinear stays, and int4 weights before the latter: that is how
TensorRT is told to quantize.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import Done, Job, Pass, skipped
from trtbuild.surgery.graph import all_graphs, elem_type, infer, label, set_elem_type, values_of
from trtbuild.surgery.lower.writer import Writer
from trtbuild.tensor import dtype_from_onnx

_T = onnx.TensorProto


class _Narrow(NamedTuple):
    bits: int
    signed: bool
    wide: int


NARROW: dict[int, _Narrow] = {
    _T.INT2: _Narrow(2, True, _T.INT32),
    _T.UINT2: _Narrow(2, False, _T.INT32),
    _T.INT4: _Narrow(4, True, _T.INT32),
    _T.UINT4: _Narrow(4, False, _T.INT32),
    _T.INT8: _Narrow(8, True, _T.INT32),
    _T.UINT8: _Narrow(8, False, _T.INT32),
    _T.INT16: _Narrow(16, True, _T.INT32),
    _T.UINT16: _Narrow(16, False, _T.INT32),
    _T.UINT32: _Narrow(32, False, _T.INT64),
}
_QUANTIZERS = {"QuantizeLinear", "DequantizeLinear"}
# Their results may lie beyond the type; what follows is their value modulo 2^bits.
_WRAPPED = {
    "Abs", "Add", "Cast", "CumSum", "Div", "MatMul", "Mul", "Neg", "Pow", "ReduceProd",
    "ReduceSum", "Sub", "Sum",
}  # fmt: skip
# They pass values on, compare them or choose among them.
_PLAIN = {
    "ArgMax", "ArgMin", "Clip", "Compress", "Concat", "Constant", "ConstantOfShape",
    "DepthToSpace", "Equal", "Expand", "EyeLike", "Flatten", "Gather", "GatherElements",
    "GatherND", "Greater", "GreaterOrEqual", "Identity", "If", "Less", "LessOrEqual", "Loop",
    "Max", "MaxPool", "Min", "Mod", "NonZero", "OneHot", "Pad", "Range", "ReduceMax", "ReduceMin",
    "Relu", "Reshape", "ScatterElements", "ScatterND", "Scan", "Shape", "Sign", "Size", "Slice",
    "SpaceToDepth", "Split", "Squeeze", "Tile", "TopK", "Transpose", "Trilu", "Unsqueeze",
    "Upsample", "Where",
}  # fmt: skip
_TYPE_ATTRIBUTES = ("to", "dtype")


class WidenIntegers(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Widen every tensor; the types of inputs and outputs change with them."""
        names: dict[str, int] = {}
        for graph in all_graphs(job.graph):
            for node in list(graph.nodes):
                _check(node)
        taken = {name for graph in all_graphs(job.graph) for name in graph.tensors()}
        for graph in list(all_graphs(job.graph)):
            _widen_graph(graph, job.graph.opset, taken, names)
        if not names:
            return skipped("the model has no integers of another width than TensorRT's")
        job.graph.cleanup().toposort()
        infer(job.graph)
        kinds = sorted({dtype_from_onnx(number).name for number in names.values()})  # type: ignore[union-attr]
        return Done(True, f"{len(names)} tensors of {', '.join(kinds)} widened")


def _check(node: gs.Node) -> None:
    narrow = [tensor for tensor in _tensors(node) if _is_widened(tensor)]
    if narrow and node.op not in _WRAPPED | _PLAIN:
        dtype = dtype_from_onnx(elem_type(narrow[0]))
        raise SurgeryError(
            f"node '{label(node)}' ({node.op}) computes in {dtype.name if dtype else '?'}, "
            "which TensorRT does not, and a wider type gives other values",
            "cast to int32 or fp32 before it",
        )


def _tensors(node: gs.Node) -> Iterator[gs.Tensor]:
    yield from (tensor for tensor in [*node.inputs, *node.outputs] if tensor.name)


def _is_widened(tensor: gs.Tensor) -> bool:
    number = elem_type(tensor)
    if number not in NARROW:
        return False
    if number == _T.INT4 and not isinstance(tensor, gs.Constant):
        return True
    if number not in (_T.INT4, _T.INT8):
        return True
    around = [*tensor.inputs, *tensor.outputs]
    return not (around and all(node.op in _QUANTIZERS for node in around))


def _widen_graph(graph: gs.Graph, opset: int, taken: set[str], names: dict[str, int]) -> None:
    found = {
        name: elem_type(tensor)
        for name, tensor in graph.tensors().items()
        if _is_widened(tensor) and name not in names
    }
    for tensor in [*graph.inputs, *graph.outputs]:
        if _is_widened(tensor):
            found.setdefault(tensor.name, elem_type(tensor))
    for node in list(graph.nodes):
        if node.op in _WRAPPED and found.get(node.outputs[0].name):
            _wrap(graph, node, NARROW[found[node.outputs[0].name]], opset, taken)
    tensors = graph.tensors()
    for name, number in found.items():
        _widen(tensors.get(name) or _end(graph, name), NARROW[number].wide)
    for node in graph.nodes:
        _widen_attributes(node)
    names.update(found)


def _end(graph: gs.Graph, name: str) -> gs.Tensor:
    return next(tensor for tensor in [*graph.inputs, *graph.outputs] if tensor.name == name)


def _widen(tensor: gs.Tensor, number: int) -> None:
    if isinstance(tensor, gs.Constant):
        tensor._values = values_of(tensor).astype(onnx.helper.tensor_dtype_to_np_dtype(number))
    else:
        set_elem_type(tensor, number)


def _widen_attributes(node: gs.Node) -> None:
    for name, value in node.attrs.items():
        if name in _TYPE_ATTRIBUTES and value in NARROW:
            node.attrs[name] = NARROW[value].wide
        elif isinstance(value, gs.Constant) and elem_type(value) in NARROW:
            wide = onnx.helper.tensor_dtype_to_np_dtype(NARROW[elem_type(value)].wide)
            node.attrs[name] = gs.Constant(value.name, np.asarray(value.values).astype(wide))


def _wrap(graph: gs.Graph, node: gs.Node, narrow: _Narrow, opset: int, taken: set[str]) -> None:
    """Put what wraps the values round behind `node`."""
    write = Writer(graph, node, opset, taken)
    attrs = dict(node.attrs)
    if node.op == "Cast":
        attrs = {"to": narrow.wide}
    (value,) = write.ops(node.op, 1, *node.inputs, **attrs)
    set_elem_type(value, narrow.wide)
    dtype = onnx.helper.tensor_dtype_to_np_dtype(narrow.wide)
    period = write.constant(1 << narrow.bits, dtype)
    half = write.constant(1 << (narrow.bits - 1), dtype)
    result = write.op("Add", value, half) if narrow.signed else value
    result = write.op("Mod", result, period)
    write.finish(write.op("Sub", result, half) if narrow.signed else result)
