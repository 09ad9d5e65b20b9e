"""GridSample written as gathers and weights.

TensorRT 10.6 knows the names of modes before opset 20 only, and computes volumes and some paddings
otherwise. The formulas are those of ONNX's reference (op_grid_sample.py); where cubic meets the
border, those of PyTorch and ONNX Runtime, which let the pixels end there, not the coordinates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import elem_type
from trtbuild.surgery.lower.writer import Lowering, Writer

_T = onnx.TensorProto
_A = -0.75  # of the cubic convolution, as in PyTorch
_MODES = {"bilinear": "linear", "bicubic": "cubic"}  # before opset 20 -> since
_FLOATS = (_T.FLOAT, _T.FLOAT16, _T.BFLOAT16)


class GridSample(Lowering):
    """See the file's docstring."""

    ops = frozenset({"GridSample"})
    idle = "the model samples at no grid"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite where all dims but the batch are known."""
        x, grid = node.inputs
        shapes = [tensor.shape for tensor in (x, grid)]
        if any(s is None or not all(isinstance(d, int) for d in s[1:]) for s in shapes):
            return False
        if elem_type(x) not in _FLOATS:
            return False
        write = writer()
        write.finish(_Sampler(node, write).result())
        return True


class _Sampler:
    """One GridSample: x [N, C, *sizes] at grid [N, *out, axes] -> [N, C, *out]."""

    def __init__(self, node: gs.Node, write: Writer) -> None:
        self._write = write
        self._x, self._grid = node.inputs
        self._type = elem_type(self._x)
        self._sizes: list[int] = list(self._x.shape[2:])
        self._out: list[int] = list(self._grid.shape[1:-1])
        self._align = bool(node.attrs.get("align_corners", 0))
        self._padding = _text(node.attrs.get("padding_mode", "zeros"))
        mode = _text(node.attrs.get("mode", "linear"))
        self._mode = _MODES.get(mode, mode)

    def result(self) -> gs.Tensor:
        """The samples, in the type of x; coordinates and weights are fp32."""
        write, count = self._write, len(self._sizes)
        places = math.prod(self._out)
        grid = self._cast(self._grid, _T.FLOAT)
        grid = write.op("Reshape", grid, write.constant([0, places, count], np.int64))
        # The last coordinate of the grid is that of the first spatial dim.
        coordinates = [self._coordinate(grid, axis) for axis in range(count)]
        flat = [0, self._x.shape[1], math.prod(self._sizes)]
        pixels = write.op("Reshape", self._x, write.constant(flat, np.int64))
        pixels = self._cast(write.op("Transpose", pixels, perm=[0, 2, 1]), _T.FLOAT)
        steps = [self._steps(at) for at in coordinates]
        terms = [self._term(pixels, corner) for corner in itertools.product(*steps)]
        total = terms[0]
        for term in terms[1:]:
            total = write.op("Add", total, term)
        total = self._cast(write.op("Transpose", total, perm=[0, 2, 1]), self._type)
        shape = write.constant([0, self._x.shape[1], *self._out], np.int64)
        return write.op("Reshape", total, shape)

    def _coordinate(self, grid: gs.Tensor, axis: int) -> gs.Tensor:
        """Where to sample along `axis`, in pixels [N, places], within what the padding allows."""
        write, size = self._write, self._sizes[axis]
        index = write.constant(len(self._sizes) - 1 - axis, np.int64)
        at = write.op("Gather", grid, index, axis=2)
        scale, offset = (size - 1) / 2, (size - 1) / 2
        if not self._align:
            scale = size / 2
        at = write.op("Add", write.op("Mul", at, self._float(scale)), self._float(offset))
        if self._mode == "nearest":
            at = write.op("Round", at)
        if self._padding == "border" and self._mode != "cubic":
            return write.op("Clip", at, self._float(0), self._float(size - 1))
        return self._reflected(at, size) if self._padding == "reflection" else at

    def _reflected(self, at: gs.Tensor, size: int) -> gs.Tensor:
        """`at` folded back into the picture, as often as it takes."""
        write = self._write
        low, high = (0.0, size - 1.0) if self._align else (-0.5, size - 0.5)
        if high == low:
            return write.op("Mul", at, self._float(0))
        width = self._float(high - low)
        beyond = write.op("Abs", write.op("Sub", at, self._float(low)))
        times = write.op("Floor", write.op("Div", beyond, width))
        rest = write.op("Sub", beyond, write.op("Mul", times, width))
        half = write.op("Floor", write.op("Mul", times, self._float(0.5)))
        odd = write.op("Sub", times, write.op("Mul", half, self._float(2)))  # 0 or 1
        there = write.op("Add", rest, self._float(low))
        back = write.op("Sub", self._float(high), rest)
        return write.op("Where", write.op("Greater", odd, self._float(0.5)), back, there)

    def _steps(self, at: gs.Tensor) -> list[tuple[int, gs.Tensor, gs.Tensor | None]]:
        """The pixels that count along an axis: (axis, index, weight), all of them [N, places]."""
        write = self._write
        self._axis = getattr(self, "_axis", -1) + 1
        if self._mode == "nearest":
            return [(self._axis, write.op("Round", at), None)]
        below = write.op("Floor", at)
        part = write.op("Sub", at, below)
        if self._mode == "linear":
            weights = [write.op("Sub", self._float(1), part), part]
            offsets: Sequence[int] = (0, 1)
        else:
            weights = [self._cubic(part, offset) for offset in (-1, 0, 1, 2)]
            offsets = (-1, 0, 1, 2)
        return [
            (self._axis, write.op("Add", below, self._float(offset)), weight)
            for offset, weight in zip(offsets, weights, strict=True)
        ]

    def _cubic(self, part: gs.Tensor, offset: int) -> gs.Tensor:
        """The weight of the pixel at `offset` from the one below."""
        write = self._write
        distance = write.op("Abs", write.op("Sub", part, self._float(offset)))
        if offset in (0, 1):  # ((A + 2) d - (A + 3)) d d + 1
            inner = write.op("Mul", distance, self._float(_A + 2))
            inner = write.op("Sub", inner, self._float(_A + 3))
            inner = write.op("Mul", inner, write.op("Mul", distance, distance))
            return write.op("Add", inner, self._float(1))
        inner = distance  # ((A d - 5 A) d + 8 A) d - 4 A
        inner = write.op("Sub", write.op("Mul", inner, self._float(_A)), self._float(5 * _A))
        inner = write.op("Add", write.op("Mul", inner, distance), self._float(8 * _A))
        return write.op("Sub", write.op("Mul", inner, distance), self._float(4 * _A))

    def _term(
        self, pixels: gs.Tensor, corner: Sequence[tuple[int, gs.Tensor, gs.Tensor | None]]
    ) -> gs.Tensor:
        """The pixels [N, places, C] at one corner, weighted; 0 outside where padding is zeros."""
        write = self._write
        index: gs.Tensor | None = None
        factor: gs.Tensor | None = None
        for axis, at, weight in corner:
            size = self._sizes[axis]
            inside = write.op("Clip", at, self._float(0), self._float(size - 1))
            if self._padding == "zeros":
                here = write.op("Cast", write.op("Equal", inside, at), to=_T.FLOAT)
                factor = here if factor is None else write.op("Mul", factor, here)
            elif self._padding == "reflection":
                inside = self._whole(self._reflected(at, size), size)
            if weight is not None:
                factor = weight if factor is None else write.op("Mul", factor, weight)
            step = write.op("Cast", inside, to=_T.INT64)
            if index is not None:
                scaled = write.op("Mul", index, write.constant(size, np.int64))
                step = write.op("Add", scaled, step)
            index = step
        assert index is not None
        column = write.shaped("Unsqueeze", index, [2])
        found = write.op("GatherND", pixels, column, batch_dims=1)
        if factor is None:
            return found
        return write.op("Mul", found, write.shaped("Unsqueeze", factor, [2]))

    def _whole(self, at: gs.Tensor, size: int) -> gs.Tensor:
        """A reflected index as one of a pixel; half a pixel beyond the border is the border."""
        write = self._write
        return write.op("Clip", write.op("Floor", at), self._float(0), self._float(size - 1))

    def _float(self, value: float) -> gs.Constant:
        return self._write.constant(value, np.float32)

    def _cast(self, tensor: gs.Tensor, number: int) -> gs.Tensor:
        known = elem_type(tensor) or self._type  # what is new here has the type of x
        if known == number:
            return tensor
        return self._write.op("Cast", tensor, to=number)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
