"""Seeded input values that a model can be run with, whatever its inputs mean.

Numbers alone decide whether two runs agree, so the values only have to be ones the model
takes: indices stay within what they index, masks are those of padded sequences. Runs in worker
processes only.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx

from trtbuild.onnx_weights import array_of
from trtbuild.tensor import DTYPES

if TYPE_CHECKING:
    from trtbuild.tensor import TensorSpec

    Array = np.ndarray[Any, np.dtype[Any]]

# Ops that hand values on unchanged, in another shape or type; the value is input 0.
_PASSES_ON = {
    "Cast", "Clip", "Concat", "Expand", "Flatten", "Gather", "Identity", "Reshape", "Slice",
    "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
}  # fmt: skip
# op -> index of the input that says where: it must be smaller than a dim of input 0
_INDEXES = {
    "Gather": 1,
    "GatherElements": 1,
    "GatherND": 1,
    "ScatterElements": 1,
    "ScatterND": 1,
    "OneHot": 0,
}
# Integers that are compared, or computed with as floats, are masks more often than not.
_MASKED = {
    "And", "Or", "Not", "Xor", "Where", "Equal", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual", "Mul", "Sub",
}  # fmt: skip
# In names of masks that are true where there is padding (PyTorch: key_padding_mask).
_TRUE_AT_PADDING = re.compile(r"pad(ding)?_?mask", re.IGNORECASE)
_INTEGERS = frozenset(row.onnx for row in DTYPES.values() if row.name.startswith(("int", "uint")))
_MASK_BELOW = 2
_INTEGER_BELOW = 10
_WHOLE_RANGE = -1
_WORDS = ("", "a", "triton", "Grüße", "0", "longer than the others by far")


def sample(
    model: onnx.ModelProto,
    inputs: Iterable[TensorSpec],
    shapes: Mapping[str, tuple[int, ...]],
    seed: int,
) -> dict[str, Array]:
    """Values for `inputs` of the skeleton `model`, in the shapes given by name.

    Floats are standard normal, bytes cover their range, integers are bounded by what they index.
    Masks and booleans are those of sequences padded at their end, 1 or more ones and then zeros
    along the last dim (zeros and then ones where the name says that padding is marked): a causal
    model has something to attend to in every row. The same seed, name and shape give the same
    values.
    """
    bounds = _Bounds(model)
    return {spec.name: _values(spec, shapes[spec.name], bounds.of(spec), seed) for spec in inputs}


def _values(spec: TensorSpec, shape: tuple[int, ...], below: int, seed: int) -> Array:
    random = np.random.default_rng([seed, zlib.crc32(spec.name.encode()), *shape])
    dtype = DTYPES[spec.dtype]
    if dtype.name == "string":
        return np.array(_WORDS, dtype=object)[random.integers(len(_WORDS), size=shape)]
    numpy_type = onnx.helper.tensor_dtype_to_np_dtype(dtype.onnx)
    if dtype.name.startswith(("int", "uint")):
        low, high = 0, below
        if below == _MASK_BELOW:
            return _padding(spec.name, shape, random).astype(numpy_type)
        if below == _WHOLE_RANGE:
            low = 0 if dtype.name.startswith("uint") else -(2 ** (dtype.bits - 1))
            high = low + 2**dtype.bits
        return random.integers(low, high, size=shape).astype(numpy_type)
    if dtype.name == "bool":
        return _padding(spec.name, shape, random)
    numbers = random.standard_normal(shape)
    if dtype.name.startswith("complex"):
        return np.asarray(numbers + 1j * random.standard_normal(shape), numpy_type)
    return np.asarray(numbers, np.float32).astype(numpy_type)


def _padding(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Array:
    """Which elements of sequences along the last dim are no padding; a lone flag is even odds."""
    if shape in ((), (1,)):
        return random.integers(2, size=shape).astype(bool)
    lengths = random.integers(1, shape[-1] + 1, size=(*shape[:-1], 1))
    real: Array = np.arange(shape[-1]) < lengths
    return ~real if _TRUE_AT_PADDING.search(name) else real


class _Bounds:
    """What the integer inputs of a model must stay under."""

    def __init__(self, model: onnx.ModelProto) -> None:
        graph = model.graph
        self._initializers = {tensor.name: tensor for tensor in graph.initializer}
        self._shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info, *graph.output)
        } | {name: list(tensor.dims) for name, tensor in self._initializers.items()}
        self._consumers: dict[str, list[tuple[onnx.NodeProto, int]]] = {}
        for node in graph.node:
            for index, name in enumerate(node.input):
                self._consumers.setdefault(name, []).append((node, index))

    def of(self, spec: TensorSpec) -> int:
        """The exclusive upper bound for the input `spec`, or `_WHOLE_RANGE`."""
        uses = list(self._uses(spec.name))
        if bounds := [self._indexed(node) for node, index in uses if _is_index(node, index)]:
            return min(bounds)
        if DTYPES[spec.dtype].bits <= 8:  # pixels, quantized values
            return _WHOLE_RANGE
        return _MASK_BELOW if any(_is_mask(node) for node, _ in uses) else _INTEGER_BELOW

    def _uses(self, name: str) -> Iterator[tuple[onnx.NodeProto, int]]:
        """The nodes that see the values of the tensor `name`, and as which of their inputs."""
        seen, waiting = {name}, [name]
        while waiting:
            for node, index in self._consumers.get(waiting.pop(), ()):
                yield node, index
                if node.op_type in _PASSES_ON and not _is_index(node, index):
                    fresh = [output for output in node.output if output not in seen]
                    seen.update(fresh)
                    waiting += fresh

    def _indexed(self, node: onnx.NodeProto) -> int:
        """The size of the dim that `node` indexes, 1 where it is not known."""
        if node.op_type == "OneHot":
            depth = self._initializers.get(node.input[1])
            return int(array_of(depth).ravel()[0]) if depth is not None else 1
        shape = self._shapes.get(node.input[0], [])
        if node.op_type.endswith("ND"):  # one index a dim, and no axis
            return max(1, min(shape, default=1))
        axis = _attribute(node, "axis", 0)
        return max(1, shape[axis]) if -len(shape) <= axis < len(shape) else 1


def _is_index(node: onnx.NodeProto, index: int) -> bool:
    return _INDEXES.get(node.op_type) == index


def _is_mask(node: onnx.NodeProto) -> bool:
    if node.op_type == "Cast":
        return _attribute(node, "to", 0) not in _INTEGERS
    return node.op_type in _MASKED


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((a.i for a in node.attribute if a.name == name), default)
