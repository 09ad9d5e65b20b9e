"""Integers that follow from static dims: what Shape and the ops around it come to.

onnx-graphsurgeon's own folding of shapes is not used: it takes no notice of Shape's `start` and
`end`, and turns 0.5 into 0 where it drops casts.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array, elem_type, is_standard, values_of

_INT64 = 7  # TensorProto.INT64, what Shape gives
_INTEGERS = {6, 7}  # TensorProto.INT32, INT64
_MOST = 64  # elements that something read as a shape can have


def shape_values(graph: gs.Graph) -> dict[str, Array]:
    """The tensors of `graph` whose values follow from static dims alone."""
    known: dict[str, Array] = {}  # of object dtype: ints, and None for dims that vary
    for node in graph.nodes:
        rule = _RULES.get(node.op)
        if rule is None or not is_standard(node):
            continue
        try:
            value = rule(node, [_value(tensor, known) for tensor in node.inputs])
        except (LookupError, TypeError, ValueError):
            continue  # an operand is not known, or is none of a shape's
        known[node.outputs[0].name] = value
    return {
        name: value.astype(np.int64)
        for name, value in known.items()
        if not any(element is None for element in value.ravel())
    }


def _value(tensor: gs.Tensor, known: dict[str, Array]) -> Array | None:
    if tensor.name in known:
        return known[tensor.name]
    small = isinstance(tensor, gs.Constant) and int(np.prod(tensor.shape)) <= _MOST
    if small and elem_type(tensor) in _INTEGERS:
        return values_of(tensor).astype(object)
    return None


def _ints(value: Array | None) -> list[int]:
    """Raises `TypeError` for an operand that is not known."""
    if value is None:
        raise TypeError
    return [int(element) for element in value.ravel()]


def _shape(node: gs.Node, _values: list[Array | None]) -> Array:
    dims = node.inputs[0].shape
    static = [dim if isinstance(dim, int) else None for dim in dims]
    return np.array(static, dtype=object)[node.attrs.get("start", 0) : node.attrs.get("end")]


def _gather(_node: gs.Node, values: list[Array | None]) -> Array:
    data, indices = values
    if data is None or indices is None or data.ndim != 1:
        raise TypeError
    return np.asarray(np.take(data, indices.astype(np.int64)), dtype=object)


def _slice(_node: gs.Node, values: list[Array | None]) -> Array:
    data, (start,), (end,), *rest = values[0], *(_ints(value) for value in values[1:])
    axes, steps = rest[0] if rest else [0], rest[1] if len(rest) > 1 else [1]
    if data is None or data.ndim != 1 or axes not in ([0], [-1]):
        raise TypeError
    return data[start : end : steps[0]]


def _concat(_node: gs.Node, values: list[Array | None]) -> Array:
    if any(value is None or value.ndim != 1 for value in values):
        raise TypeError
    return np.concatenate([value for value in values if value is not None])


def _unsqueeze(_node: gs.Node, values: list[Array | None]) -> Array:
    if values[0] is None or values[0].ndim != 0:
        raise TypeError
    return values[0].reshape(1)


def _squeeze(_node: gs.Node, values: list[Array | None]) -> Array:
    if values[0] is None:
        raise TypeError
    return values[0].reshape(())


def _cast(node: gs.Node, values: list[Array | None]) -> Array:
    if values[0] is None or node.attrs["to"] != _INT64:
        raise TypeError
    return values[0]


_RULES: dict[str, Callable[[gs.Node, list[Array | None]], Array]] = {
    "Cast": _cast,
    "Concat": _concat,
    "Gather": _gather,
    "Shape": _shape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
