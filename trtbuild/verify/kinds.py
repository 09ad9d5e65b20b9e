"""What an output is, as far as the graph tells: probabilities, an embedding, or anything.

Some numbers are judged by more than their worst element. Runs in worker processes only.

1. Sigmoid, HardSigmoid, Softmax, then data movement: probabilities, score maps.
2. Division by the length of a vector (LpNormalization, x / ReduceL2): an embedding.
"""

from __future__ import annotations

from typing import Literal

import onnx

Kind = Literal["", "probabilities", "embedding"]

_MOVES = {
    "Cast", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
_BOUNDED = {"Sigmoid", "HardSigmoid", "Softmax"}
_SQUARES = {"ReduceSum", "ReduceSumSquare"}
_AROUND_A_LENGTH = _MOVES | {"Add", "Clip", "Max"}  # kept from being 0


def output_kinds(model: onnx.ModelProto) -> dict[str, Kind]:
    """The kind of each output of the skeleton `model`."""
    makers = {name: node for node in model.graph.node for name in node.output}
    return {value.name: _kind(value.name, makers) for value in model.graph.output}


def _kind(name: str, makers: dict[str, onnx.NodeProto]) -> Kind:
    waiting, kinds = [name], set[Kind]()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None:
            return ""
        if node.op_type in _MOVES:
            waiting += node.input if node.op_type == "Concat" else node.input[:1]
        elif node.op_type in _BOUNDED:
            kinds.add("probabilities")
        elif node.op_type == "LpNormalization" or _is_by_length(node, makers):
            kinds.add("embedding")
        else:
            return ""
    return kinds.pop() if len(kinds) == 1 else ""


def _is_by_length(node: onnx.NodeProto, makers: dict[str, onnx.NodeProto]) -> bool:
    if node.op_type != "Div":
        return False
    maker = _behind(node.input[1], makers)
    if maker is not None and maker.op_type == "Sqrt":
        maker = _behind(maker.input[0], makers)
        return maker is not None and maker.op_type in _SQUARES
    return maker is not None and maker.op_type == "ReduceL2"


def _behind(name: str, makers: dict[str, onnx.NodeProto]) -> onnx.NodeProto | None:
    maker = makers.get(name)
    while maker is not None and maker.op_type in _AROUND_A_LENGTH:
        maker = makers.get(maker.input[0])
    return maker
