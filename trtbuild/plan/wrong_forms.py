"""Ops in forms that TensorRT's parser takes and then computes otherwise than ONNX says.

One table, asked before any network is made: an op of the graph that has such a form is refused by
name, for both runtimes, as if the parser had refused it. What can be written in other ops was so
by the surgery stage (`surgery/lower`) and does not come here. Found by running ONNX's own node
tests on a GPU (docs/backend.md). Runs in worker processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import onnx


class WrongForm(NamedTuple):
    """A node in a form that TensorRT gets wrong."""

    op: str
    node: str
    reason: str
    hint: str


class _Graph(NamedTuple):
    """What a rule may know besides the node."""

    constants: Mapping[str, onnx.TensorProto]
    ranks: Mapping[str, list[int | None]]  # None: a dim that varies
    types: frozenset[int]  # of every tensor whose type is told
    opset: int

    def numbers(self, name: str) -> list[float] | None:
        """The values of a small constant."""
        tensor = self.constants.get(name)
        if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return None
        return [float(value) for value in np.ravel(onnx.numpy_helper.to_array(tensor))]

    def values(self, name: str) -> list[int] | None:
        """The integers of a small constant."""
        numbers = self.numbers(name)
        return None if numbers is None else [int(value) for value in numbers]


Rule = Callable[[onnx.NodeProto, _Graph], bool]


def _attribute(node: onnx.NodeProto, name: str, default: int = 0) -> int:
    return next((entry.i for entry in node.attribute if entry.name == name), default)


def _integers(node: onnx.NodeProto, name: str) -> list[int]:
    return next((list(entry.ints) for entry in node.attribute if entry.name == name), [])


def _always(_node: onnx.NodeProto, _graph: _Graph) -> bool:
    return True


def _batch_first(node: onnx.NodeProto, _: _Graph) -> bool:
    return _attribute(node, "layout") == 1


def _has_an_empty_part(node: onnx.NodeProto, graph: _Graph) -> bool:
    sizes = graph.values(node.input[1]) if len(node.input) > 1 else _integers(node, "split")
    return 0 in (sizes or [])


def _to_nothing(node: onnx.NodeProto, graph: _Graph) -> bool:
    return _attribute(node, "allowzero") == 1 and 0 in (graph.values(node.input[1]) or [])


def _text(node: onnx.NodeProto, name: str) -> str:
    return next((entry.s.decode() for entry in node.attribute if entry.name == name), "")


def _new_mode(node: onnx.NodeProto, _: _Graph) -> bool:
    return _text(node, "mode") in ("linear", "cubic")


def _columns_first(node: onnx.NodeProto, _: _Graph) -> bool:
    return _text(node, "mode") == "CRD"


def _like_a_left_out_type(_: onnx.NodeProto, graph: _Graph) -> bool:
    return bool(graph.types & {onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE})


def _several_classes(node: onnx.NodeProto, graph: _Graph) -> bool:
    shape = graph.ranks.get(node.input[1]) or [None, None]
    return shape[1] != 1


def _between_corners(node: onnx.NodeProto, graph: _Graph) -> bool:
    """Whether corners are aligned by a scale that makes no whole number of pixels."""
    scales = graph.numbers(node.input[2]) if len(node.input) > 2 else None
    if _text(node, "coordinate_transformation_mode") != "align_corners" or not scales:
        return False
    sizes = graph.ranks.get(node.input[0]) or []
    axes = _integers(node, "axes") or list(range(len(scales)))
    pairs = [
        (scale, sizes[axis] if axis < len(sizes) else None)
        for scale, axis in zip(scales, axes, strict=True)
    ]
    return any(not (scale * (1 if size is None else size)).is_integer() for scale, size in pairs)


def _old_scan(_: onnx.NodeProto, graph: _Graph) -> bool:
    return graph.opset < 9


def _may_end_on_padding(node: onnx.NodeProto, graph: _Graph) -> bool:
    """Whether a last window may start on the padding: it depends on sizes that vary.

    A last window starts at most stride - 1 beyond where the last full one would.
    """
    sizes = graph.ranks.get(node.input[0])
    if not _attribute(node, "ceil_mode") or (sizes is not None and None not in sizes[2:]):
        return False
    kernel = _integers(node, "kernel_shape")
    count = len(kernel)
    strides = _integers(node, "strides") or [1] * count
    dilations = _integers(node, "dilations") or [1] * count
    ends = _integers(node, "pads")[count:] or [0] * count
    return any(
        end + stride - 1 > dilation * (size - 1)
        for size, stride, dilation, end in zip(kernel, strides, dilations, ends, strict=True)
    )


class _Form(NamedTuple):
    applies: Rule
    reason: str
    hint: str


_KNOWN_SIZES = "give the sizes of its picture: --input 'NAME=[batch,3,224,224]'"
_POOL = _Form(
    _may_end_on_padding,
    "with ceil_mode a last window may start on the padding, which ONNX leaves out and "
    "TensorRT computes",
    _KNOWN_SIZES,
)
_RECURRENT = _Form(
    _batch_first,
    "TensorRT ignores layout=1 and takes the batch for the sequence",
    "export it with the sequence first (layout=0)",
)
# op -> its forms that come out wrong
FORMS: dict[str, tuple[_Form, ...]] = {
    "AveragePool": (_POOL,),
    "CastLike": (
        _Form(
            _like_a_left_out_type,
            "TensorRT leaves out a cast like bf16 or fp64, which this may be: its type is not told",
            "export it as a Cast",
        ),
    ),
    "DeformConv": (
        _Form(
            _always,
            "TensorRT's plugin computes other numbers than ONNX defines",
            f"{_KNOWN_SIZES}, or cut the model before it with --outputs",
        ),
    ),
    "GRU": (_RECURRENT,),
    "GridSample": (
        _Form(
            _new_mode,
            "TensorRT does not know the modes linear and cubic of opset 20 and samples the nearest",
            f"{_KNOWN_SIZES}, or export the model with opset 19 or older",
        ),
    ),
    "LSTM": (_RECURRENT,),
    "LpPool": (_POOL,),
    "MaxPool": (_POOL,),
    "NonMaxSuppression": (
        _Form(
            _several_classes,
            "TensorRT puts the boxes of several classes in one order, ONNX class by class",
            "give it a fixed number of pictures and classes, 32 of both together at most, or cut "
            "the model before it with --outputs",
        ),
    ),
    "RNN": (_RECURRENT,),
    "Reshape": (
        _Form(
            _to_nothing,
            "a 0 in its shape means no element (allowzero=1); TensorRT takes it for a copied dim",
            "leave the empty tensor out of the model",
        ),
    ),
    "Resize": (
        _Form(
            _between_corners,
            "its corners are aligned by a scale that makes no whole number of pixels, which ONNX "
            "reckons with and TensorRT, like ONNX Runtime, rounds",
            "export it with sizes in the place of scales",
        ),
    ),
    "Scan": (
        _Form(
            _old_scan,
            "a Scan of opset 8 has its batch in front, one of opset 9 and TensorRT's has not",
            "export the model with opset 9 or newer",
        ),
    ),
    "SpaceToDepth": (
        _Form(
            _columns_first,
            "TensorRT ignores mode=CRD",
            "give the sizes of its picture, or export it as Reshape and Transpose",
        ),
    ),
    "Split": (
        _Form(
            _has_an_empty_part,
            "TensorRT gives a part of size 0 another size",
            "leave the empty part out of the model",
        ),
    ),
}


def wrong_forms(model: onnx.ModelProto) -> list[WrongForm]:
    """The nodes of `model`, those of subgraphs included, that TensorRT would compute wrongly."""
    if not any(node.op_type in FORMS for node in _nodes(model.graph.node)):
        return []
    constants: dict[str, onnx.TensorProto] = {}
    types: set[int] = set()
    ranks: dict[str, list[int | None]] = {}
    for scope in _graphs(model.graph):
        constants |= _constants(scope)
        ranks |= {value.name: _dims(value) for value in _values(scope)}
        types |= {value.type.tensor_type.elem_type for value in _values(scope)}
        types |= {_attribute(node, "to") for node in scope.node if node.op_type == "Cast"}
    ranks |= {name: list(tensor.dims) for name, tensor in constants.items()}
    types |= {tensor.data_type for tensor in constants.values()}
    opset = max((e.version for e in model.opset_import if e.domain in ("", "ai.onnx")), default=1)
    graph = _Graph(constants, ranks, frozenset(types), opset)
    return [
        WrongForm(node.op_type, node.name or f"node_of_{node.output[0]}", form.reason, form.hint)
        for node in _nodes(model.graph.node)
        if node.domain in ("", "ai.onnx")
        for form in FORMS.get(node.op_type, ())
        if form.applies(node, graph)
    ]


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """`graph` and those inside it; a name means the same in all of them."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _graphs(inner)


def _values(graph: onnx.GraphProto) -> Iterator[onnx.ValueInfoProto]:
    yield from (*graph.input, *graph.value_info, *graph.output)


def _dims(value: onnx.ValueInfoProto) -> list[int | None]:
    return [
        dim.dim_value if dim.HasField("dim_value") else None
        for dim in value.type.tensor_type.shape.dim
    ]


def _constants(graph: onnx.GraphProto) -> dict[str, onnx.TensorProto]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].HasField("t"):
            constants[node.output[0]] = node.attribute[0].t
    return constants
