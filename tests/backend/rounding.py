"""Whether an answer is ONNX's but for rounding."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.reference

_UNITS = 4  # of the data type, at the largest value
_TRIES = 32
_limits: Any = ml_dtypes.finfo  # numpy's knows no bf16


def only_rounded(
    model: onnx.ModelProto, inputs: list[Any], expected: list[Any], got: list[Any]
) -> bool:
    """Floats are within 4 units of their type at its largest value, integers beside a tie.

    ONNX's runner allows 0.1 % of each value, which is less than two units of fp16, and nothing
    beside an exact 0. An integer that a float was rounded to may be another one only where ONNX's
    reference gives that one too, for inputs of which each is a unit more, less or as it was.
    """
    pairs = list(zip(map(np.asarray, expected), map(np.asarray, got), strict=True))
    if any(want.shape != have.shape or want.dtype != have.dtype for want, have in pairs):
        return False
    if not all(_close(want, have) for want, have in pairs if want.dtype.kind not in "biu"):
        return False
    if all(np.array_equal(want, have) for want, have in pairs if want.dtype.kind in "biu"):
        return True
    return _beside_ties(model, inputs, pairs)


def _close(want: np.ndarray, have: np.ndarray) -> bool:
    exact, close = want.astype(np.float64), have.astype(np.float64)
    finite = np.isfinite(exact) & np.isfinite(close)
    if not np.array_equal(np.isfinite(exact), np.isfinite(close)):
        return False
    scale = np.abs(exact[finite]).max(initial=0)
    off = np.abs(exact[finite] - close[finite]).max(initial=0)
    return bool(off <= _UNITS * float(_limits(want.dtype).eps) * scale)


def _beside_ties(
    model: onnx.ModelProto, inputs: list[Any], pairs: list[tuple[np.ndarray, np.ndarray]]
) -> bool:
    """Each integer is one that the reference gives for inputs of some of the tries."""
    names = [value.name for value in model.graph.input]
    evaluator = onnx.reference.ReferenceEvaluator(model)
    random = np.random.default_rng(0)
    explained = [np.asarray(want == have) for want, have in pairs]
    for _ in range(_TRIES):
        moved = [_moved(np.asarray(value), random) for value in inputs]
        answers = evaluator.run(None, dict(zip(names, moved, strict=False)))
        for seen, answer, (_, have) in zip(explained, answers, pairs, strict=True):
            if np.shape(answer) == have.shape:
                np.logical_or(seen, np.asarray(answer) == have, out=seen)
    return all(
        bool(seen.all())
        for seen, (want, _) in zip(explained, pairs, strict=True)
        if want.dtype.kind in "biu"
    )


def _moved(value: np.ndarray, random: np.random.Generator) -> np.ndarray:
    if value.dtype not in (np.float32, np.float64, np.float16):
        return value
    to = random.choice([-np.inf, np.nan, np.inf], value.shape).astype(value.dtype)
    return np.where(np.isnan(to), value, np.nextafter(value, to)).astype(value.dtype)
