"""Compute what does not depend on any input.

1. What follows from static dims (`shape_values`), and from constants, in ONNX Runtime.
2. An If whose condition became constant is replaced by the branch taken, and folding goes on there;
   also in branches and bodies that stay.
3. Not what would blow the file up: a result may be 1 MiB larger than what it is made from, but
   only 64 bytes (a shape) where an op merely repeats a value: TensorRT does that as well.
4. Not what reads a weight over 1 MiB: TensorRT folds those itself, without a second copy.
5. Not random numbers, nor Quantize/DequantizeLinear, which tell TensorRT what to quantize.
"""

from __future__ import annotations

import math

import onnx_graphsurgeon as gs
from onnx import ModelProto, NodeProto, helper

from trtbuild import onnx_session
from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.drop_dead import lower_constant
from trtbuild.surgery.flatten_conditions import flatten_conditions
from trtbuild.surgery.graph import (
    Array,
    elem_type,
    infer,
    infer_inside,
    is_standard,
    model_from_graph,
)
from trtbuild.surgery.shape_values import shape_values
from trtbuild.tensor import DTYPES, dtype_from_onnx

_GROWTH_BYTES = 1 << 20
_REPEATED_BYTES = 64
_LARGE_BYTES = 1 << 20
_REPEATING = {"ConstantOfShape", "Expand", "EyeLike", "OneHot", "Range", "Tile"}
_NEVER = {
    "Bernoulli", "DequantizeLinear", "DynamicQuantizeLinear", "If", "Loop", "Multinomial",
    "QuantizeLinear", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
    "Scan",
}  # fmt: skip
# What numpy and ONNX Runtime both compute with.
_NATIVE = {
    DTYPES[name].onnx
    for name in ("bool", "fp16", "fp32", "fp64", "int8", "int16", "int32", "int64", "uint8")
}


class FoldConstants(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Fold until nothing changes, and infer shapes anew."""
        graph = job.graph
        nodes, self._bytes_before = len(graph.nodes), _constant_bytes(graph)
        self._folded = 0
        while folded := _fold_once(graph) or _fold_inside(graph):
            self._folded += folded
            graph.cleanup().toposort()
            infer(graph)
        if not self._folded:
            return skipped("what is constant is a constant already, or too large to be one")
        grown = _constant_bytes(graph) - self._bytes_before
        return Done(
            True, f"{nodes} nodes became {len(graph.nodes)}; constants grew by {grown} bytes"
        )

    def ensures(self, job: Job) -> None:
        """The file did not grow out of bounds."""
        grown = _constant_bytes(job.graph) - self._bytes_before
        if grown > self._folded * _GROWTH_BYTES:
            raise ContractError(f"constants grew by {grown} bytes")


def _fold_once(graph: gs.Graph) -> int:
    """Replace what can be computed now; returns how many tensors and conditions that were."""
    folded = _replace(graph, shape_values(graph))
    nodes = _foldable(graph)
    inside = {id(node) for node in nodes}
    wanted = [
        tensor.name
        for node in nodes
        for tensor in node.outputs
        if any(id(reader) not in inside for reader in tensor.outputs)
    ]
    folded += _replace(graph, _evaluated(model_from_graph(graph), nodes, wanted))
    return folded + flatten_conditions(graph)


def _fold_inside(graph: gs.Graph) -> int:
    """The same in the branches and bodies of `graph`, the outermost that has something to fold."""
    if not any(True for _ in graph.subgraphs()):
        return 0
    infer_inside(graph)
    for scope in list(graph.subgraphs(recursive=True)):
        scope.ir_version, scope.import_domains = graph.ir_version, graph.import_domains
        ends = {tensor.name for tensor in scope.outputs}
        for node in scope.nodes:
            if node.op == "Constant" and node.outputs[0].name not in ends:
                lower_constant(node)
        if folded := _fold_once(scope):
            return folded
    return 0


def _replace(graph: gs.Graph, values: dict[str, Array]) -> int:
    tensors = graph.tensors()
    outputs = {tensor.name for tensor in graph.outputs}  # those stay computed
    fits = [
        tensors[name]
        for name, value in values.items()
        if name not in outputs and value.nbytes <= _limit(tensors[name].inputs[0])
    ]
    for tensor in fits:
        tensor.to_constant(values[tensor.name])
        tensor.inputs.clear()
    return len(fits)


def _foldable(graph: gs.Graph) -> list[gs.Node]:
    """The nodes that constants determine and that are worth folding, in order."""
    nodes: list[gs.Node] = []
    made: set[str] = set()
    for node in graph.nodes:
        inputs = [tensor for tensor in node.inputs if tensor.name]
        known = all(isinstance(t, gs.Constant) or t.name in made for t in inputs)
        fixed = known and (inputs or node.op == "Constant")  # with value_int and the like
        if fixed and node.outputs and _may_fold(node):  # without outputs: just folded
            nodes.append(node)
            made.update(tensor.name for tensor in node.outputs)
    return nodes


def _may_fold(node: gs.Node) -> bool:
    """Cases 3 to 5, as far as they show before the result is there."""
    if node.op in _NEVER or not is_standard(node):
        return False
    if any(elem_type(tensor) not in _NATIVE for tensor in node.outputs if tensor.name):
        return False
    if any(
        _bytes(tensor) > _LARGE_BYTES for tensor in node.inputs if isinstance(tensor, gs.Constant)
    ):
        return False
    sizes = [_bytes(tensor) for tensor in node.outputs if tensor.name]
    if node.op in _REPEATING and -1 in sizes:
        return False
    return max(sizes) <= _limit(node)


def _limit(node: gs.Node) -> int:
    """How many bytes a result of `node` may have: case 3."""
    growth = _REPEATED_BYTES if node.op in _REPEATING else _GROWTH_BYTES
    return growth + sum(max(0, _bytes(tensor)) for tensor in node.inputs)


def _bytes(tensor: gs.Tensor) -> int:
    """The size of the values of `tensor`; -1: not known."""
    dtype = dtype_from_onnx(elem_type(tensor))
    if dtype is None or tensor.shape is None or not all(isinstance(d, int) for d in tensor.shape):
        return -1
    return int((math.prod(tensor.shape) * dtype.bits + 7) // 8)


def _constant_bytes(graph: gs.Graph) -> int:
    return sum(max(0, _bytes(t)) for t in graph.tensors().values() if isinstance(t, gs.Constant))


def _evaluated(model: ModelProto, nodes: list[gs.Node], wanted: list[str]) -> dict[str, Array]:
    """The values of `wanted`, tensors that `nodes` make; without those that cannot be computed."""
    if not wanted:
        return {}
    try:
        part = _part(model, {node.outputs[0].name for node in nodes if node.outputs}, wanted)
        return onnx_session.run(onnx_session.open_session(part), {})
    except Exception:  # an op that ONNX Runtime has no kernel for: fold the rest
        if len(wanted) == 1:
            return {}
        half = len(wanted) // 2
        return _evaluated(model, nodes, wanted[:half]) | _evaluated(model, nodes, wanted[half:])


def _part(model: ModelProto, makers: set[str], wanted: list[str]) -> ModelProto:
    """The part of `model` that makes `wanted`, of nodes known by their first output in `makers`."""
    needed = set(wanted)
    nodes: list[NodeProto] = []
    for node in reversed(model.graph.node):
        if node.output and node.output[0] in makers and needed & set(node.output):
            nodes.insert(0, node)
            needed.update(node.input)
    part = ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    part.graph.name = "constants"
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(t for t in model.graph.initializer if t.name in needed)
    part.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in wanted)
    return part
