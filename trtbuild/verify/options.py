"""How close is close enough. Light: the parent process imports it."""

from __future__ import annotations

from typing import Literal

import msgspec

Precision = Literal["fp32", "fp16", "bf16", "fp8"]


class VerifyOptions(msgspec.Struct, frozen=True):
    """Tolerances (None: by precision) and the seed of the inputs."""

    rtol: float | None = None
    atol: float | None = None
    seed: int = 0


class Tolerance(msgspec.Struct, frozen=True):
    """An element passes when |candidate - reference| <= atol + rtol * |reference|."""

    rtol: float
    atol: float
    scaled: bool  # `atol` is a share of the largest |reference| of the tensor


# Rounding errors grow with a tensor's scale and add up over a model's layers; an element near
# zero among large ones carries the error of the large ones. So the default atol is a share of
# the scale. Unit roundoff is 6e-8 for fp32, 5e-4 for fp16, 4e-3 for bf16, 6e-2 for fp8 (e4m3);
# the shares leave room for sums over deep networks (fp32: reordered sums, TF32-free CPU kernels).
DEFAULTS: dict[Precision, Tolerance] = {
    "fp32": Tolerance(1e-3, 1e-4, True),
    "fp16": Tolerance(1e-2, 1e-2, True),
    "bf16": Tolerance(5e-2, 5e-2, True),
    "fp8": Tolerance(1e-1, 1e-1, True),
}


def tolerance_of(options: VerifyOptions, precision: Precision) -> Tolerance:
    """The tolerance for numbers computed in `precision`; what the user says wins.

    An atol that the user gives is absolute.
    """
    default = DEFAULTS[precision]
    rtol = default.rtol if options.rtol is None else options.rtol
    if options.atol is not None:
        return Tolerance(rtol, options.atol, False)
    return Tolerance(rtol, default.atol, True)


def coarsest(*precisions: Precision) -> Precision:
    """The one with the largest unit roundoff: it decides how close two runs can be."""
    return max(precisions, key=list(DEFAULTS).index)
