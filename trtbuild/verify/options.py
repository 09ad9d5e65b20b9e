"""How close is close enough. Light: the parent process imports it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

Precision = Literal["fp32", "fp16", "bf16", "fp8"]


class VerifyOptions(msgspec.Struct, frozen=True):
    """Tolerances (None: by precision) and the seed of the inputs."""

    rtol: float | None = None
    atol: float | None = None
    seed: int = 0
    # What plans are compared with in place of ONNX: a function in NumPy, or inputs and outputs.
    reference: str | None = None  # file.py:function
    weights: Path | None = None  # that the function is called with
    samples: Path | None = None  # .npz


class Tolerance(msgspec.Struct, frozen=True):
    """An element passes when |candidate - reference| <= atol + rtol * |reference|."""

    rtol: float
    atol: float
    scaled: bool  # `atol` is a share of the largest |reference| of the tensor
    # Which counts as at least this: the smallest normal number of the type, in the tensor's units.
    smallest: float = 0.0
    # Where elements fail, what an output of a known kind may be instead: nearer to the reference in
    # direction than this. 0: nothing.
    cosine: float = 0.0


# Rounding errors grow with a tensor's scale and add up over a model's layers; an element near
# zero among large ones carries the error of the large ones. So the default atol is a share of
# the scale. Unit roundoff is 6e-8 for fp32, 5e-4 for fp16, 4e-3 for bf16, 6e-2 for fp8 (e4m3);
# the shares leave room for sums over deep networks (fp32: reordered sums, TF32-free CPU kernels).
# Under its smallest normal number a type has no unit roundoff: its numbers are a fixed step apart,
# that of the smallest normal one (fp16: 6e-8, 2^-24; IEEE 754-2019, 3.3), so a tensor far below it
# is judged as one at it.
DEFAULTS: dict[Precision, Tolerance] = {
    "fp32": Tolerance(1e-3, 1e-4, True, 2.0**-126),
    "fp16": Tolerance(1e-2, 1e-2, True, 2.0**-14, cosine=0.999),
    "bf16": Tolerance(5e-2, 5e-2, True, 2.0**-126, cosine=0.99),
    "fp8": Tolerance(1e-1, 1e-1, True, 2.0**-6),
}


def tolerance_of(options: VerifyOptions, precision: Precision) -> Tolerance:
    """The tolerance for numbers computed in `precision`; what the user says wins.

    An atol that the user gives is absolute.
    """
    default = DEFAULTS[precision]
    rtol = default.rtol if options.rtol is None else options.rtol
    if options.atol is not None:
        return Tolerance(rtol, options.atol, False)
    if options.rtol is not None:  # who gives a tolerance means every element
        return Tolerance(rtol, default.atol, True, default.smallest)
    return default


# What TensorRT 10 may compute in where it chooses types itself. Integers round to a share of a
# tensor's largest value, of which fp8's tolerance is the nearest.
_WEAK: dict[str, Precision] = {
    "fp16": "fp16",
    "bf16": "bf16",
    "fp8e4m3fn": "fp8",
    "int8": "fp8",
    "int4": "fp8",
}


def precision_of_weak(types: tuple[str, ...]) -> Precision | None:
    """What a plan is held to that may compute in any of `types`; None where there are none."""
    return coarsest(*(_WEAK[name] for name in types)) if types else None


def coarsest(*precisions: Precision) -> Precision:
    """The one with the largest unit roundoff: it decides how close two runs can be."""
    return max(precisions, key=list(DEFAULTS).index)
