"""Resize in the forms that TensorRT refuses, as a weighted sum of the pixels that count.

Those are half_pixel_symmetric, tf_crop_and_resize, antialias and a kept aspect ratio. Resizing is
separable: along each axis an output pixel is a sum over a window of input pixels, whose places and
weights are constants where sizes and scales are. The formulas are those of ONNX's reference
(op_resize.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import onnx
import onnx_graphsurgeon as gs

from trtbuild.surgery.graph import Array, elem_type
from trtbuild.surgery.lower.windows import MOST_PLACES, summed
from trtbuild.surgery.lower.writer import Lowering, Writer, constant_values, optional

_T = onnx.TensorProto
_FLOATS = (_T.FLOAT, _T.FLOAT16, _T.BFLOAT16)
_REFUSED = ("half_pixel_symmetric", "tf_crop_and_resize")


class _Axis(NamedTuple):
    """How one axis is resized: from `size` pixels to `out`, the whole part of `size * scale`."""

    axis: int
    size: int
    out: int
    scale: float
    roi: tuple[float, float] | None


class Resizes(Lowering):
    """See the file's docstring."""

    ops = frozenset({"Resize"})
    idle = "nothing is resized in a form that TensorRT refuses"

    def rewrite(self, node: gs.Node, writer: Callable[[], Writer]) -> bool:
        """Rewrite what has one of the forms, floats, and constant sizes or scales."""
        x = node.inputs[0]
        if elem_type(x) not in _FLOATS or not _is_refused(node):
            return False
        axes = _axes(node)
        if axes is None:
            return False
        windows = [_window(node, axis) for axis in axes]
        if any(places.shape[1] > MOST_PLACES for places, _, _ in windows):
            return False
        write = writer()
        value = x if elem_type(x) == _T.FLOAT else write.op("Cast", x, to=_T.FLOAT)
        rank = len(x.shape)
        for one, (places, weights, _) in zip(axes, windows, strict=True):
            value = summed(write, value, places, weights, one.axis - rank)
        outside = _outside(axes, [beyond for _, _, beyond in windows], rank)
        if outside is not None:
            filling = write.constant(node.attrs.get("extrapolation_value", 0.0), np.float32)
            value = write.op("Where", write.constant(outside), filling, value)
        if elem_type(x) != _T.FLOAT:
            value = write.op("Cast", value, to=elem_type(x))
        write.finish(value)
        return True


def _text(node: gs.Node, name: str, default: str) -> str:
    value = node.attrs.get(name, default)
    return value.decode() if isinstance(value, bytes) else str(value)


def _is_refused(node: gs.Node) -> bool:
    return (
        _text(node, "coordinate_transformation_mode", "half_pixel") in _REFUSED
        or bool(node.attrs.get("antialias", 0))
        or _text(node, "keep_aspect_ratio_policy", "stretch") != "stretch"
    )


def _axes(node: gs.Node) -> list[_Axis] | None:
    """Every axis that is resized; None where sizes or scales are not known."""
    shape = node.inputs[0].shape
    if shape is None:
        return None
    axes = [int(axis) % len(shape) for axis in node.attrs.get("axes", range(len(shape)))]
    roi, scales, sizes = (_numbers(node, index) for index in (1, 2, 3))
    if sizes is None and scales is None:
        return None
    crops = _text(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    count, rois = len(axes), dict[int, tuple[float, float]]()
    if crops and roi is not None:
        rois = {axis: (roi[i], roi[i + count]) for i, axis in enumerate(axes)}
    if sizes is None and scales is not None:  # an axis that stays may have any size
        scaled = dict(zip(axes, scales, strict=True))
        axes = [axis for axis in axes if scaled[axis] != 1.0 or axis in rois]
        scales = [scaled[axis] for axis in axes]
    known = [shape[axis] for axis in axes]
    if not all(isinstance(size, int) for size in known):
        return None
    policy = _text(node, "keep_aspect_ratio_policy", "stretch")
    rows = zip(axes, known, *_sized(known, scales, sizes, policy), strict=True)
    made = [_Axis(axis, size, out, scale, rois.get(axis)) for axis, size, out, scale in rows]
    return [one for one in made if not _stays(one)]


def _numbers(node: gs.Node, index: int) -> list[float] | None:
    """The values of a constant input; None for one that is absent, empty or computed."""
    values = constant_values(optional(node, index))
    return None if values is None or not values.size else [float(v) for v in values.ravel()]


def _sized(
    known: list[int], scales: list[float] | None, sizes: list[float] | None, policy: str
) -> tuple[list[int], list[float]]:
    """The new sizes and the scales."""
    if sizes is None:
        scales = scales or []
        return [int(scale * size) for scale, size in zip(scales, known, strict=True)], scales
    scales = [out / size for out, size in zip(sizes, known, strict=True)]
    if policy == "stretch":
        return [int(size) for size in sizes], scales
    scale = min(scales) if policy == "not_larger" else max(scales)
    return [int(scale * size + 0.5) for size in known], [scale] * len(known)


def _stays(one: _Axis) -> bool:
    return math.isclose(one.scale, 1.0) and one.out == one.size and one.roi in (None, (0.0, 1.0))


def _window(node: gs.Node, one: _Axis) -> tuple[Array, Array, Array]:
    """Places and weights of the input pixels [out, k], and which outputs lie beyond [out]."""
    at = _coordinates(node, one)
    beyond = np.zeros(one.out, bool)
    if one.roi is not None:
        beyond = (at < 0) | (at > one.size - 1)
    below = np.floor(at)
    part = np.where(at == below, 1.0, at - below)  # in (0, 1]: the pixel on the left comes first
    weights = _weights(node, part, one.scale)
    count = weights.shape[1]
    # The `count` pixels next to `at`; of two as near the left one.
    if count % 2 == 0:
        first = below - count // 2 + np.where(at == below, 0, 1)
    else:
        first = below - (count - 1) // 2 + np.where(at - below <= 0.5, 0, 1)
    places = first[:, None] + np.arange(count)
    if node.attrs.get("exclude_outside", 0):
        weights = np.where((places < 0) | (places >= one.size), 0.0, weights)
        total = weights.sum(axis=1, keepdims=True)
        weights = weights / np.where(total == 0, 1.0, total)
    return np.clip(places, 0, one.size - 1).astype(np.int64), weights, beyond


def _coordinates(node: gs.Node, one: _Axis) -> Array:
    """Where each output pixel lies among the input's [out]."""
    y = np.arange(one.out, dtype=np.float64)
    exact = one.scale * one.size  # of which `out` is the whole part
    mode = _text(node, "coordinate_transformation_mode", "half_pixel")
    if mode == "align_corners":
        return y * 0 if exact == 1 else y * (one.size - 1) / (exact - 1)
    if mode == "asymmetric":
        return y / one.scale
    if mode == "tf_crop_and_resize":
        start, end = one.roi or (0.0, 1.0)
        if exact == 1:
            return y * 0 + (end - start) * (one.size - 1) / 2 + start * (one.size - 1)
        return y * (end - start) * (one.size - 1) / (exact - 1) + start * (one.size - 1)
    if mode == "pytorch_half_pixel" and exact == 1:
        return y * 0 - 0.5
    middle = (y + 0.5) / one.scale - 0.5
    if mode == "half_pixel_symmetric":
        middle += one.size / 2 * (1 - one.out / exact)
    return middle


def _weights(node: gs.Node, part: Array, scale: float) -> Array:
    """The weights [out, k] for pixels that lie `part` before the output's place."""
    mode = _text(node, "mode", "nearest")
    if mode == "nearest":
        return _nearest(part, _text(node, "nearest_mode", "round_prefer_floor"))
    smooth = min(scale, 1.0) if node.attrs.get("antialias", 0) else 1.0
    reach = 2 if mode == "cubic" else 1
    first = int(np.floor(-reach / smooth) + 1)
    distance = np.abs((np.arange(first, 2 - first) - part[:, None]) * smooth)
    if mode == "linear":
        weights = np.clip(1 - distance, 0, 1)
    else:
        a = float(node.attrs.get("cubic_coeff_a", -0.75))
        near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
        far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
        weights = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
    if node.attrs.get("antialias", 0):
        weights = weights / weights.sum(axis=1, keepdims=True)
    return np.asarray(weights)


def _nearest(part: Array, mode: str) -> Array:
    right = {
        "round_prefer_floor": part > 0.5,
        "round_prefer_ceil": part >= 0.5,
        "floor": part == 1,
        "ceil": part > 0,
    }[mode]
    return np.stack([~right, right], axis=1).astype(np.float64)


def _outside(axes: list[_Axis], beyond: list[Array], rank: int) -> Array | None:
    """True, broadcast over the axes that stay, where the output lies beyond the input."""
    mask = np.zeros([1] * rank, bool)
    for one, flags in zip(axes, beyond, strict=True):
        shape = [1] * rank
        shape[one.axis] = len(flags)
        mask = mask | flags.reshape(shape)
    return mask if mask.any() else None
