"""Two arrays that should be equal: by how much they are not. Pure; runs in worker processes only.

- Floats: |candidate - reference| <= atol + rtol * |reference| for every element, computed in
  double precision. NaN equals NaN, an infinity equals itself; against anything else they fail.
- Integers, booleans, strings: equal, in every precision. An index that flips (the argmax of two
  near values) is a difference that users see, so it is reported and not tolerated.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
import numpy as np

from trtbuild.artifacts import Comparison
from trtbuild.verify.kinds import Kind
from trtbuild.verify.options import Tolerance

Array = np.ndarray[Any, np.dtype[Any]]


class Label(NamedTuple):
    """What is compared: the two sides, the point of the profile, the output tensor."""

    pair: str
    point: str
    tensor: str


def compare(
    label: Label,
    reference: Array,
    candidate: Array,
    tolerance: Tolerance,
    kind: Kind = "",
) -> Comparison:
    """The figures of one output tensor; both arrays in any shape and data type.

    `kind`: what the output is (`kinds`), which may pass where single elements do not.
    """
    if reference.shape != candidate.shape:
        problem = f"shape {list(candidate.shape)} instead of {list(reference.shape)}"
        return _problem(label, tolerance, problem)
    if _is_inexact(reference) != _is_inexact(candidate):
        problem = f"data type {candidate.dtype} instead of {reference.dtype}"
        return _problem(label, tolerance, problem)
    if not _is_inexact(reference):
        return _exact(label, reference, candidate)
    one, other = _double(reference), _double(candidate)
    found = _inexact(label, one, other, tolerance)
    if found.passed or not kind or not tolerance.cosine or found.problem:
        return found
    passed, rule = _by_kind(kind, one, other, tolerance)
    return msgspec.structs.replace(found, passed=passed, rule=rule)


def _by_kind(
    kind: Kind, reference: Array, candidate: Array, tolerance: Tolerance
) -> tuple[bool, str]:
    """Whether an output of `kind` is right as a whole, and the figures that say so or not.

    Embeddings: every vector of the last dim points where the reference's does. Probabilities: no
    element is further off than `atol` of 1, all of them together point the same way, and the
    likeliest of the last dim is the same wherever it is so by more than that.
    """
    if kind == "embedding":
        rows = reference.reshape(-1, reference.shape[-1] if reference.ndim else 1)
        others = candidate.reshape(rows.shape)
        least = min((_cosine(a, b) for a, b in zip(rows, others, strict=True)), default=1.0)
        return (
            least >= tolerance.cosine,
            f"embedding: cosine at least {least:.6f}, {tolerance.cosine} wanted",
        )
    off = float(np.max(np.abs(candidate - reference), initial=0.0))
    cosine, flips = _cosine(reference, candidate), _flips(reference, candidate, tolerance.atol)
    passed = off <= tolerance.atol and cosine >= tolerance.cosine and not flips
    return passed, (
        f"probabilities: off by {off:.2g} at most, {tolerance.atol} allowed; cosine {cosine:.6f}, "
        f"{tolerance.cosine} wanted; {flips} choices differ"
    )


def _flips(reference: Array, candidate: Array, margin: float) -> int:
    """Rows of the last dim whose largest element is another one, where it leads by `margin`."""
    if reference.ndim < 2 or reference.shape[-1] < 2 or not reference.size:
        return 0
    ordered = np.sort(reference, axis=-1)
    clear = ordered[..., -1] - ordered[..., -2] > margin
    return int(np.count_nonzero(clear & (reference.argmax(-1) != candidate.argmax(-1))))


def _inexact(label: Label, reference: Array, candidate: Array, tolerance: Tolerance) -> Comparison:
    finite = np.isfinite(reference) & np.isfinite(candidate)
    largest = float(np.max(np.abs(reference[finite]), initial=tolerance.smallest))
    scale = largest if tolerance.scaled else 1.0
    atol = tolerance.atol * scale
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        difference = np.where(finite, np.abs(candidate - reference), 0.0)
        excess = difference - (atol + tolerance.rtol * np.abs(reference))
        relative = difference / np.abs(reference)
    same = (reference == candidate) | (np.isnan(reference) & np.isnan(candidate))
    excess = np.where(finite, excess, np.where(same, -np.inf, np.inf))
    worst = _worst(excess)
    passed = bool(np.all(excess <= 0))
    shown = np.isfinite(relative) & finite
    return Comparison(
        **label._asdict(),
        max_abs=float(np.max(difference, initial=0.0)),
        max_rel=float(np.max(relative[shown], initial=0.0)),
        cosine=_cosine(reference[finite], candidate[finite]),
        worst_index=worst,
        worst=(_shown(reference, worst), _shown(candidate, worst)),
        rtol=tolerance.rtol,
        atol=atol,
        passed=passed,
        problem="" if passed else _not_finite(reference, candidate),
    )


def _exact(label: Label, reference: Array, candidate: Array) -> Comparison:
    different = np.asarray(_bytes(reference) != _bytes(candidate))
    count = int(np.count_nonzero(different))
    worst = _worst(different.astype(np.float64))
    numbers = reference.dtype.kind in "iub"
    difference = np.abs(_double(candidate) - _double(reference)) if numbers else different
    return Comparison(
        **label._asdict(),
        max_abs=float(np.max(difference, initial=0.0)),
        max_rel=0.0,
        cosine=1.0 if not count else 0.0,
        worst_index=worst,
        worst=(_shown(reference, worst), _shown(candidate, worst)),
        rtol=0.0,
        atol=0.0,
        passed=not count,
        problem=f"{count} of {reference.size} elements differ" if count else "",
    )


def _problem(label: Label, tolerance: Tolerance, problem: str) -> Comparison:
    atol = 0.0 if tolerance.scaled else tolerance.atol
    return Comparison(*label, 0.0, 0.0, 0.0, (), ("", ""), tolerance.rtol, atol, False, problem)


def _not_finite(reference: Array, candidate: Array) -> str:
    bad = ~np.isfinite(candidate) & np.isfinite(reference)
    if count := int(np.count_nonzero(bad)):
        return f"{count} of {reference.size} elements are NaN or infinite"
    bad = np.isfinite(candidate) & ~np.isfinite(reference)
    if count := int(np.count_nonzero(bad)):
        return (
            f"{count} of {reference.size} elements are finite, and NaN or infinite in the reference"
        )
    return ""


def _worst(excess: Array) -> tuple[int, ...]:
    if not excess.size:
        return ()
    index = np.unravel_index(int(np.argmax(excess)), excess.shape)
    return tuple(int(i) for i in index)


def _shown(array: Array, index: tuple[int, ...]) -> str:
    if not array.size:
        return ""
    value = array[index]
    if isinstance(value, bytes | str):
        return repr(value)
    return f"{float(value):.6g}" if _is_inexact(array) else str(int(value))


def _cosine(one: Array, other: Array) -> float:
    norms = float(np.linalg.norm(one) * np.linalg.norm(other))
    if norms == 0.0 or not np.isfinite(norms):
        return 1.0 if np.array_equal(one, other) else 0.0
    return float(np.clip(np.dot(one.ravel(), other.ravel()) / norms, -1.0, 1.0))


def _is_inexact(array: Array) -> bool:
    """Floats and complex numbers, also those of ml_dtypes, which numpy files under V or f."""
    return array.dtype.kind in "fc" or "float" in array.dtype.name


def _double(array: Array) -> Array:
    if array.dtype.kind == "c":  # the two parts are compared as numbers of their own
        return np.stack([array.real, array.imag], axis=-1).astype(np.float64)
    return array.astype(np.float64)


def _bytes(array: Array) -> Array:
    """Strings as bytes, whichever of `str` and `bytes` a framework returned."""
    if array.dtype.kind not in "OSU":
        return array
    flat = [x if isinstance(x, bytes) else str(x).encode() for x in array.ravel().tolist()]
    encoded = np.empty(len(flat), dtype=object)
    encoded[:] = flat
    shaped: Array = encoded.reshape(array.shape)
    return shaped
