"""Which inputs of a model TensorRT's parser wants as constants: axes, shapes, pads and the like.

ONNX's node tests give them at run time. onnx-tensorrt made every input but the first a constant;
here it is those alone that set shapes or that the parser asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx

Array = np.ndarray[Any, np.dtype[Any]]

# op -> the inputs that have to be constants
_WANTED = {
    "AffineGrid": (1,),
    "BatchNormalization": (1, 2, 3, 4),
    "CenterCropPad": (1,),
    "Clip": (1, 2),
    "Col2Im": (1, 2),
    "Compress": (1,),
    "ConstantOfShape": (0,),
    "CumProd": (1,),
    "CumSum": (1,),
    "DFT": (1, 2),
    "DequantizeLinear": (1, 2),
    "Dropout": (1, 2),
    "Expand": (1,),
    "GRU": (1, 2, 3),
    "InstanceNormalization": (1, 2),
    "LSTM": (1, 2, 3, 7),
    "Loop": (0,),
    "MaxUnpool": (2,),
    "NonMaxSuppression": (2, 3, 4),
    "OneHot": (1, 2),
    "Pad": (1, 2, 3),
    "QuantizeLinear": (1, 2),
    "RNN": (1, 2, 3),
    "Range": (0, 1, 2),
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "STFT": (1, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
    "BlackmanWindow": (0,),
    "HammingWindow": (0,),
    "HannWindow": (0,),
    "MelWeightMatrix": (0, 1, 2, 3, 4),
    **dict.fromkeys(
        (
            "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
            "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare",
        ),
        (1,),
    ),
}  # fmt: skip
_BY_SHAPE_ALONE = {"Shape", "Size"}  # their values do not depend on those of what they read


def wanted_constants(model: onnx.ModelProto) -> set[str]:
    """The inputs of `model` whose values the parser has to see, also through other ops."""
    makers: dict[str, onnx.NodeProto] = {}
    nodes = list(_all_nodes(model.graph.node))
    for node in nodes:
        makers.update((name, node) for name in node.output if name)
    todo = [
        node.input[index]
        for node in nodes
        for index in _WANTED.get(node.op_type, ())
        if index < len(node.input)
    ]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if not name or name in seen:
            continue
        seen.add(name)
        maker = makers.get(name)
        if maker is not None and maker.op_type not in _BY_SHAPE_ALONE:
            todo.extend(maker.input)
    return seen & {value.name for value in model.graph.input}


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterable[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _all_nodes(graph.node)


def with_constants(model: onnx.ModelProto, values: Mapping[str, Array]) -> onnx.ModelProto:
    """`model` with the inputs that `values` names as initializers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    kept = [value for value in changed.graph.input if value.name not in values]
    del changed.graph.input[:]
    changed.graph.input.extend(kept)
    changed.graph.initializer.extend(
        onnx.numpy_helper.from_array(array, name) for name, array in values.items()
    )
    return changed
