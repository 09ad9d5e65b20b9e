"""DeformConv as gathers at the shifted places and a plain Conv of one place.

TensorRT's plugin of that name computes other numbers than ONNX defines. x [N, C, H, W] is sampled
for each of the K places of the kernel and L of the output, linearly, 0 outside; the samples are
the columns [N, C * K, *out] of a Conv whose kernel is the weights', each place a channel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array, elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer, optional

_T = onnx.TensorProto
_FLOATS = (_T.FLOAT, _T.FLOAT16, _T.BFLOAT16)
_PICTURE = 4  # dims


class DeformedConvolutions(Lowering):
    """See the file's docstring."""

    ops = frozenset({"DeformConv"})
    idle = "no convolution is deformed"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite those of pictures, where all dims but the batch are known."""
        x, weights, offset = node.inputs[:3]
        shapes = [x.shape, offset.shape]
        if any(s is None or not all(isinstance(d, int) for d in s[1:]) for s in shapes):
            return False
        if weights.shape is None or not all(isinstance(d, int) for d in weights.shape):
            return False
        if len(x.shape) != _PICTURE or elem_type(x) not in _FLOATS:
            return False
        write = writer()
        columns = _Deformed(node, write).columns()
        columns = (
            columns if elem_type(x) == _T.FLOAT else write.op("Cast", columns, to=elem_type(x))
        )
        out, depth, *kernel = weights.shape
        flat = write.constant([out, depth * math.prod(kernel), 1, 1], np.int64)
        inputs = [columns, write.op("Reshape", weights, flat)]
        if (bias := optional(node, 3)) is not None:
            inputs.append(bias)
        write.finish(write.op("Conv", *inputs, group=int(node.attrs.get("group", 1))))
        return True


class _Deformed:
    """The samples of one DeformConv, in fp32; G: its groups of offsets."""

    def __init__(self, node: gs.Node, write: Writer) -> None:
        self._node, self._write = node, write
        x, weights, offset = node.inputs[:3]
        self._channels, *self._size = x.shape[1:]
        self._kernel: list[int] = list(node.attrs.get("kernel_shape", weights.shape[2:]))
        self._out: list[int] = list(offset.shape[2:])
        self._groups = int(node.attrs.get("offset_group", 1))
        self._taps, self._places = math.prod(self._kernel), math.prod(self._out)

    def columns(self) -> gs.Tensor:
        """[N, C * K, *out]."""
        write, groups = self._write, self._groups
        depth = self._channels // groups
        pixels = self._reshaped(self._node.inputs[0], [groups, depth, math.prod(self._size)])
        pixels = write.op("Transpose", pixels, perm=[0, 1, 3, 2])  # [N, G, pixels, C / G]
        steps = [self._steps(self._coordinate(axis), axis) for axis in (0, 1)]
        total: gs.Tensor | None = None
        for rows, columns in itertools.product(*steps):
            term = self._term(pixels, rows, columns)
            total = term if total is None else write.op("Add", total, term)
        assert total is not None
        if (mask := optional(self._node, 4)) is not None:
            column = self._reshaped(mask, [groups, self._taps * self._places, 1])
            total = write.op("Mul", total, column)
        total = write.op("Transpose", total, perm=[0, 1, 3, 2])  # [N, G, C / G, K * L]
        shape = [0, self._channels * self._taps, *self._out]
        return write.op("Reshape", total, write.constant(shape, np.int64))

    def _reshaped(self, tensor: gs.Tensor, shape: list[int]) -> gs.Tensor:
        """In fp32, the batch as it is."""
        write = self._write
        if elem_type(tensor) != _T.FLOAT:
            tensor = write.op("Cast", tensor, to=_T.FLOAT)
        return write.op("Reshape", tensor, write.constant([0, *shape], np.int64))

    def _coordinate(self, axis: int) -> gs.Tensor:
        """Where to sample along `axis`, in pixels [N, G, K * L]."""
        write = self._write
        shape = [self._groups, self._taps, 2, self._places]
        shift = self._reshaped(self._node.inputs[2], shape)
        shift = write.op("Gather", shift, write.constant(axis, np.int64), axis=3)
        at = write.op("Add", shift, write.constant(self._regular(axis), np.float32))
        count = [0, self._groups, self._taps * self._places]
        return write.op("Reshape", at, write.constant(count, np.int64))

    def _regular(self, axis: int) -> Array:
        """Where a plain convolution would look along `axis` [K, L]."""
        attrs = self._node.attrs
        stride = attrs.get("strides", [1, 1])[axis]
        dilation = attrs.get("dilations", [1, 1])[axis]
        pad = attrs.get("pads", [0] * 4)[axis]
        taps = np.indices(self._kernel)[axis].reshape(-1, 1) * dilation
        return np.asarray(taps + np.indices(self._out)[axis].reshape(1, -1) * stride - pad)

    def _steps(self, at: gs.Tensor, axis: int) -> list[tuple[gs.Tensor, gs.Tensor]]:
        """The two pixels next to each place along `axis`, with their weights; 0 outside."""
        write = self._write
        below = write.op("Floor", at)
        part = write.op("Sub", at, below)
        one, last = write.constant(1, np.float32), self._size[axis] - 1
        steps = []
        for index, weight in (
            (below, write.op("Sub", one, part)),
            (write.op("Add", below, one), part),
        ):
            ends = write.constant(0, np.float32), write.constant(last, np.float32)
            inside = write.op("Clip", index, *ends)
            here = write.op("Cast", write.op("Equal", inside, index), to=_T.FLOAT)
            place = write.op("Cast", inside, to=_T.INT64)
            steps.append((place, write.op("Mul", weight, here)))
        return steps

    def _term(
        self,
        pixels: gs.Tensor,
        rows: tuple[gs.Tensor, gs.Tensor],
        columns: tuple[gs.Tensor, gs.Tensor],
    ) -> gs.Tensor:
        """One of the four pixels around each place, weighted [N, G, K * L, C / G]."""
        write = self._write
        down = write.op("Mul", rows[0], write.constant(self._size[1], np.int64))
        place = write.shaped("Unsqueeze", write.op("Add", down, columns[0]), [3])
        found = write.op("GatherND", pixels, place, batch_dims=2)
        weight = write.shaped("Unsqueeze", write.op("Mul", rows[1], columns[1]), [3])
        return write.op("Mul", found, weight)
