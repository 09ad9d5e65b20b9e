"""Which nodes stay in fp32 when the rest goes to fp16 or bf16, and why.

Each rule looks at the whole graph and adds nodes to a `Kept`. First what --keep-fp32 names. Then,
whatever the numbers:
1. `_without_low_form`: ops that ONNX does not define for the type, ops of other domains, control
   flow (what is inside is a graph of its own, with rules of its own).
2. `_sums`: sums of exponentials or squares (decomposed softmax, variances, norms) and the few
   small nodes from there to the division: partial sums leave the range or lose small terms. A
   variance as E[x^2] - E[x]^2 is the difference of two near numbers: both sides stay.
3. `_integers`: values computed from integers (positions), or that become integers, sizes or
   angles: 16-bit floats count to 2048 or 256.
Only fp16, whose numbers end at 65504 and begin at 6e-8:
4. `_weights`: a weight beyond that range, or one (an epsilon) that would become 0.
5. `_activations`: a tensor that came near the range when the graph was run on seeded values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import LARGEST, Array, elem_type, is_standard, values_of
from trtbuild.surgery.precision.types import BF16, FP16, FP32, PARAMETERS, may_be

# Of fp16's range, what an activation on seeded values may use: real inputs reach further.
_HEADROOM = 4.0
_SMALLEST = 2.0**-25  # at or under half of the smallest fp16 number, which becomes 0
_INTEGERS = {5, 6, 7, 12, 13}  # TensorProto int16, int32, int64, uint32, uint64

_MOVES = {
    "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split", "Squeeze",
    "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
_POINTWISE = {
    "Abs", "Add", "Cast", "Ceil", "Clip", "Div", "Exp", "Floor", "Log", "Max", "Min", "Mod",
    "Mul", "Neg", "Pow", "Range", "Reciprocal", "Round", "Sigmoid", "Sqrt", "Sub", "Where",
}  # fmt: skip
_CHEAP = _MOVES | _POINTWISE
_SUMS = {
    "CumSum", "LpNormalization", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceProd", "ReduceSum", "ReduceSumSquare",
}  # fmt: skip
_MEANS = {"GlobalAveragePool", "ReduceMean"}
_NAMES = {FP16: "fp16", BF16: "bf16"}
_ANGLES = {"Cos", "Sin", "Tan"}

_FOLLOWS_SUM = _MOVES | {
    "Abs", "Add", "Clip", "Div", "Log", "Max", "Min", "Mul", "Neg", "Pow", "Reciprocal", "Relu",
    "Sqrt", "Sub",
}  # fmt: skip

CONTROL = "it is control flow, which hands on what its branches and bodies make"
FOREIGN = "it is not one of ONNX's own ops"
SEQUENCE = "it is about sequences or optional values"
TRAINING = "it gives the statistics of training"
BITS = "it reads the bits of fp32"
SUM = "it sums squares, exponentials or many values"
INTEGER = "its values stand for positions, sizes or angles"
BETWEEN = "it moves values between nodes in fp32"
ASKED = "--keep-fp32 names it"
BEYOND = "a weight is beyond fp16's range"
VANISHES = "a weight becomes 0"
NEAR = "activations come near fp16's limit"


class Kept:
    """The nodes that stay in fp32, each with the reason that was found first."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[gs.Node, str, str]] = {}  # id -> node, reason, figure

    def add(self, node: gs.Node, reason: str, figure: str = "") -> bool:
        """Keep `node`; returns whether that is news."""
        fresh = id(node) not in self.entries
        self.entries.setdefault(id(node), (node, reason, figure))
        return fresh

    def __contains__(self, node: gs.Node) -> bool:
        return id(node) in self.entries


def kept_nodes(
    graph: gs.Graph,
    low: int,
    opset: int,
    largest: Mapping[str, float],
    asked: Sequence[str] = (),
) -> Kept:
    """What stays in fp32 when `graph` goes to `low`.

    `largest`: magnitudes by tensor (`ranges`). `asked`: patterns of the user's, of names of nodes
    or of the tensors that they make, with * and ? as in a shell.
    """
    kept = Kept()
    for node in graph.nodes:
        if any(matches(node, pattern) for pattern in asked):
            kept.add(node, ASKED)
    _without_low_form(graph, kept, low, opset)
    _sums(graph, kept)
    _integers(graph, kept, low, opset)
    if low == FP16:
        _weights(graph, kept, opset)
        _activations(graph, kept, largest)
    _between(graph, kept)
    return kept


def matches(node: gs.Node, pattern: str) -> bool:
    """Whether `pattern` names `node`, or a tensor that it makes."""
    names = [node.name, *(tensor.name for tensor in node.outputs)]
    return any(fnmatchcase(name, pattern) for name in names if name)


def float_slots(node: gs.Node) -> list[tuple[int, gs.Tensor, bool]]:
    """The fp32 tensors of `node`: index, tensor, whether it is an output."""
    return [
        (index, tensor, output)
        for output, tensors in ((False, node.inputs), (True, node.outputs))
        for index, tensor in enumerate(tensors)
        if tensor.name and elem_type(tensor) == FP32
    ]


def _without_low_form(graph: gs.Graph, kept: Kept, low: int, opset: int) -> None:
    for node in graph.nodes:
        slots = float_slots(node)
        if any(isinstance(value, gs.Graph) for value in node.attrs.values()):
            kept.add(node, CONTROL)
        elif slots and ("Sequence" in node.op or "Optional" in node.op):
            kept.add(node, SEQUENCE)
        elif node.op == "BatchNormalization" and len(node.outputs) > 1:
            kept.add(node, TRAINING)
        elif slots and node.op == "BitCast":
            kept.add(node, BITS)
        elif slots and not is_standard(node):
            kept.add(node, FOREIGN)
        elif slots and not any(may_be(node, opset, low, i, out) for i, _, out in slots):
            kept.add(node, f"ONNX opset {opset} defines no {_NAMES[low]} form")


def _sums(graph: gs.Graph, kept: Kept) -> None:
    waiting = []
    for node in graph.nodes:
        summands = _makers(node.inputs[0]) if node.inputs else []
        risky = [maker for maker in summands if _grows(maker)]
        if node.op in _SUMS or (node.op in _MEANS and risky):
            for made in [node, *risky]:
                kept.add(made, SUM)
            waiting += node.outputs
    exact = {tensor.name for tensor in waiting}  # computed from sums alone
    while waiting:
        total = waiting.pop()
        for reader in total.outputs:
            others = [t for t in reader.inputs if t is not total and elem_type(t) == FP32]
            small = all(_is_single(t) or t.name in exact for t in others)
            cancels = reader.op == "Sub" and others and all(map(_is_square, others))
            if cancels and not small:  # E[x^2] - E[x]^2, whose difference may be all digits lost
                _keep_square(others[0], kept)
            if reader.op in _FOLLOWS_SUM and (small or cancels) and kept.add(reader, SUM):
                exact.update(tensor.name for tensor in reader.outputs)
                waiting += reader.outputs
            elif reader.op in ("Div", "Mul"):  # x / sqrt(variance + epsilon): the end of it
                kept.add(reader, SUM)


def _makers(tensor: gs.Tensor) -> list[gs.Node]:
    """The nodes that compute `tensor`, before what only moves its values."""
    makers = list(tensor.inputs)
    while makers and makers[0].op in _MOVES and makers[0].inputs:
        makers = list(makers[0].inputs[0].inputs)
    return makers


def _grows(node: gs.Node) -> bool:
    """Whether `node` makes values far larger than those it reads."""
    square = node.op == "Mul" and node.inputs[0] is node.inputs[1]
    return square or node.op in ("Exp", "Pow")


def _is_single(tensor: gs.Tensor) -> bool:
    return isinstance(tensor, gs.Constant) and bool(np.prod(tensor.shape) <= 1)


def _is_square(tensor: gs.Tensor) -> bool:
    return any(_grows(maker) and maker.op != "Exp" for maker in _makers(tensor))


def _keep_square(tensor: gs.Tensor, kept: Kept) -> None:
    """The square of a mean that is subtracted, and the mean."""
    waiting = [tensor]
    while waiting:
        for maker in waiting.pop().inputs:
            if maker.op in _MEANS:
                kept.add(maker, SUM)
            elif maker.op in _CHEAP and kept.add(maker, SUM):
                waiting += maker.inputs


def _integers(graph: gs.Graph, kept: Kept, low: int, opset: int) -> None:
    sources: list[gs.Tensor] = []
    targets: list[gs.Tensor] = []
    for node in graph.nodes:
        if node.op in _ANGLES or (node.op == "Cast" and elem_type(node.outputs[0]) in _INTEGERS):
            kept.add(node, INTEGER)
            targets += node.inputs
        elif node.op == "Range" or (
            node.op == "Cast" and elem_type(node.inputs[0]) in _INTEGERS and float_slots(node)
        ):
            kept.add(node, INTEGER)
            sources += node.outputs
        elif is_standard(node):
            fixed = [t for i, t, out in float_slots(node) if not may_be(node, opset, low, i, out)]
            targets += [tensor for tensor in fixed if node.op not in PARAMETERS]
    _follow_back(targets, kept)
    _follow_on(sources, kept)


def _follow_back(targets: list[gs.Tensor], kept: Kept) -> None:
    """Keep the cheap nodes that compute `targets`."""
    while targets:
        for maker in targets.pop().inputs:
            if maker.op in _CHEAP and float_slots(maker) and kept.add(maker, INTEGER):
                targets += maker.inputs


def _follow_on(sources: list[gs.Tensor], kept: Kept) -> None:
    """Keep what is computed from `sources`, and vectors of constants, alone."""
    exact = {tensor.name for tensor in sources}
    while sources:
        for reader in sources.pop().outputs:
            if reader.op in _CHEAP | _ANGLES | {"MatMul"} and all(
                tensor.name in exact or _is_vector(tensor)
                for _, tensor, output in float_slots(reader)
                if not output
            ):
                fresh = [tensor for tensor in reader.outputs if tensor.name not in exact]
                kept.add(reader, INTEGER)
                exact.update(tensor.name for tensor in fresh)
                sources += fresh


def _is_vector(tensor: gs.Tensor) -> bool:
    """Whether `tensor` is a constant with at most one dim over 1: frequencies, not weights."""
    return isinstance(tensor, gs.Constant) and sum(dim > 1 for dim in tensor.shape) <= 1


def _weights(graph: gs.Graph, kept: Kept, opset: int) -> None:
    verdicts: dict[str, tuple[str, str]] = {}
    for node in graph.nodes:
        for index, tensor, output in float_slots(node):
            if not output and isinstance(tensor, gs.Constant) and may_be(node, opset, FP16, index):
                if tensor.name not in verdicts:
                    verdicts[tensor.name] = _misfit(values_of(tensor))
                if verdicts[tensor.name][0]:
                    kept.add(node, *verdicts[tensor.name])
        value = node.attrs.get("value")
        is_weight = isinstance(value, gs.Constant) and elem_type(value) == FP32
        if is_weight and (verdict := _misfit(values_of(value)))[0]:
            kept.add(node, *verdict)


def _misfit(values: Array) -> tuple[str, str]:
    """What fp16 does to a weight that no scaling of the rest makes good, and its magnitude."""
    most = max(abs(float(values.max())), abs(float(values.min()))) if values.size else 0.0
    if most > LARGEST[FP16] and np.isfinite(most):
        return BEYOND, f"{most:.3g}"
    return (VANISHES, f"{most:.3g}") if 0 < most <= _SMALLEST else ("", "")


def _activations(graph: gs.Graph, kept: Kept, largest: Mapping[str, float]) -> None:
    for node in graph.nodes:
        most = max((largest.get(tensor.name, 0.0) for _, tensor, _ in float_slots(node)), default=0)
        if most > LARGEST[FP16] / _HEADROOM:
            kept.add(node, NEAR, f"{most:.3g}")


def _between(graph: gs.Graph, kept: Kept) -> None:
    """Nodes that only move values from fp32 to fp32: two casts would lose digits for nothing."""
    for node in graph.nodes:
        makers = [m for i, t, out in float_slots(node) if not out for m in t.inputs]
        readers = [r for i, t, out in float_slots(node) if out for r in t.outputs]
        if node.op in _MOVES and makers and readers and all(n in kept for n in makers + readers):
            kept.add(node, BETWEEN)
