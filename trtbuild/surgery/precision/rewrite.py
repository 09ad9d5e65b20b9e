"""Give every fp32 tensor of a graph the precision of the node that makes it, with Casts between.

A tensor lives in the type it is made in. A reader that wants the other type reads the output
of a Cast, of which there is one a tensor. Weights are converted, never cast.
"""

from __future__ import annotations

from collections.abc import Container

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import ConvertedValues, nodes_below, set_elem_type
from trtbuild.surgery.precision.keep import float_slots
from trtbuild.surgery.precision.types import FP32, SAYS_OUTPUT_TYPE, TYPE_ATTRIBUTES, may_be
from trtbuild.surgery.precision.unify_floats import bypass_idle_cast, constant_as
from trtbuild.tensor import dtype_from_onnx


def rewrite(
    graph: gs.Graph,
    low: int,
    opset: int,
    kept: Container[gs.Node],
    low_io: Container[str],
    *,
    taken: set[str] | None = None,
) -> int:
    """Lower every node but those `kept`; inputs and outputs in `low_io` take `low` themselves.

    Of a graph inside another one (a branch, a body) all tensors from outside are fp32, and `taken`
    are the names of every tensor of the model: a name means one tensor on all levels.
    Returns how many nodes were lowered.
    """
    lowered = {
        id(node): low_slots
        for node in graph.nodes
        if node not in kept and (low_slots := _low_slots(node, low, opset))
    }
    nodes = list(graph.nodes)
    places = [(node, float_slots(node)) for node in nodes]  # before any type changes
    inside = [(inner, float_slots(inner)) for node in nodes for inner in nodes_below(node)]
    rewriter = _Rewriter(graph, low, low_io, taken)
    for node, slots in places:
        for index, tensor, output in slots:
            if output and (index, output) in lowered.get(id(node), ()):
                rewriter.native[tensor.name] = low
    for node, slots in [*places, *inside]:
        for index, tensor, output in slots:
            in_low = (index, output) in lowered.get(id(node), ())
            rewriter.connect(node, index, tensor, output, low if in_low else FP32)
    for node in nodes:
        if id(node) in lowered:
            _say_type(node, low)
    for node in list(graph.nodes):
        bypass_idle_cast(graph, node)
    graph.cleanup().toposort()
    return len(lowered)


def _low_slots(node: gs.Node, low: int, opset: int) -> list[tuple[int, bool]]:
    """The places of `node` that take `low`: index, whether it is an output."""
    return [
        (index, output)
        for index, _, output in float_slots(node)
        if may_be(node, opset, low, index, output)
    ]


def _say_type(node: gs.Node, low: int) -> None:
    """Set the attributes that say which type an output has."""
    for name in TYPE_ATTRIBUTES:
        if node.attrs.get(name) == FP32:
            node.attrs[name] = low
    if node.op in SAYS_OUTPUT_TYPE:
        node.attrs.setdefault(SAYS_OUTPUT_TYPE[node.op], low)
    if node.op == "ConstantOfShape":
        value = node.attrs.get("value") or gs.Constant("value", np.zeros(1, dtype=np.float32))
        node.attrs["value"] = constant_as(value, low)


class _Rewriter:
    """Hands out each tensor in the type that a reader wants."""

    def __init__(
        self, graph: gs.Graph, low: int, low_io: Container[str], taken: set[str] | None
    ) -> None:
        self._graph, self._low, self._low_io = graph, low, low_io
        self._tensors = dict(graph.tensors())
        self._taken = set(self._tensors) if taken is None else taken
        self._outputs = {tensor.name for tensor in graph.outputs}
        self._made: dict[tuple[str, int], gs.Tensor] = {}
        self.native: dict[str, int] = {}  # of each tensor that does not live in fp32
        for tensor in graph.inputs:
            if tensor.name in low_io:
                set_elem_type(tensor, low)
                self.native[tensor.name] = low

    def connect(
        self, node: gs.Node, index: int, tensor: gs.Tensor, output: bool, wanted: int
    ) -> None:
        """Let `node` read or make `tensor`, at `index`, in the type `wanted`."""
        if self._tensors.get(tensor.name) is not tensor:
            return  # of a subgraph, which is rewritten by itself
        ends = node.outputs if output else node.inputs
        version = self._version(tensor, wanted)
        if version is not tensor:
            ends[index] = version

    def _version(self, tensor: gs.Tensor, wanted: int) -> gs.Tensor:
        native = self.native.get(tensor.name, FP32)
        if not isinstance(tensor, gs.Constant) and (tensor.name, native) not in self._made:
            self._settle(tensor, native)
        key = (tensor.name, wanted)
        if key not in self._made:
            made = self._converted if isinstance(tensor, gs.Constant) else self._cast
            self._made[key] = made(tensor, wanted)
        return self._made[key]

    def _settle(self, tensor: gs.Variable, native: int) -> None:
        """Give the variable `tensor` its own type, and where it is an output the one asked for."""
        name, shown = tensor.name, native
        if name in self._outputs:
            shown = self._low if name in self._low_io else FP32
        set_elem_type(tensor, shown)
        self._made[name, shown] = tensor
        if native != shown:
            self._made[name, native] = self._beside(tensor, native)
            self._insert_cast(self._made[name, native], tensor, shown)

    def _converted(self, constant: gs.Constant, wanted: int) -> gs.Tensor:
        if wanted == FP32:
            return constant
        name = self._name(constant, wanted)
        return gs.Constant(name, ConvertedValues(constant, wanted, name))

    def _cast(self, tensor: gs.Variable, wanted: int) -> gs.Tensor:
        source = self._made[tensor.name, self.native.get(tensor.name, FP32)]
        result = self._beside(tensor, wanted)
        self._insert_cast(source, result, wanted)
        return result

    def _insert_cast(self, source: gs.Tensor, result: gs.Tensor, number: int) -> None:
        name = f"{source.name}__cast_{_short(number)}"
        self._graph.nodes.append(gs.Node("Cast", name, {"to": number}, [source], [result]))

    def _beside(self, tensor: gs.Variable, number: int) -> gs.Variable:
        shape = None if tensor.shape is None else list(tensor.shape)
        return gs.Variable(self._name(tensor, number), number, shape)

    def _name(self, tensor: gs.Tensor, number: int) -> str:
        name = f"{tensor.name}__{_short(number)}"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def _short(number: int) -> str:
    dtype = dtype_from_onnx(number)
    return dtype.name if dtype else str(number)
