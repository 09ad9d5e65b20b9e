"""Run a plan on the GPU it was built for, and compare it with ONNX. In worker processes only."""

from __future__ import annotations

import importlib
from pathlib import Path

from trtbuild.artifacts import Comparison, Plan
from trtbuild.cuda import Cuda, lasting_context
from trtbuild.engine_from_plan import Loading
from trtbuild.onnx_weights import read_skeleton
from trtbuild.tensorfile import load_tensors
from trtbuild.verify.compare import Label, compare
from trtbuild.verify.dtypes import precision_of
from trtbuild.verify.engine import Engine
from trtbuild.verify.options import (
    DEFAULTS,
    Precision,
    Tolerance,
    VerifyOptions,
    coarsest,
    tolerance_of,
)
from trtbuild.verify.points import Point
from trtbuild.workers.child import report

# TensorRT computes fp32 in TF32 where it is faster (10 bits of mantissa, as fp16 has).
_TF32: Tolerance = DEFAULTS["fp16"]


def warm_up(module: str) -> str:
    """Load the runtime `module` and the GPU's context ahead of need; the runtime's version."""
    loaded = importlib.import_module(module)
    lasting_context(0)  # of the one GPU that this process sees
    return str(loaded.__version__)


def compare_plan(
    *,
    plan: Plan,
    module: str,
    model: Path | None,
    points: list[Point],
    options: VerifyOptions,
    label: str,
    precision: Precision | None = None,
    against: str = "ONNX",
    loading: Loading,
) -> list[Comparison]:
    """Run `plan` with the runtime `module` on every point's inputs, against its outputs.

    `precision`: what the plan computes in, where that is coarser than the ONNX file `model`, or
    where there is none; `against`: whose outputs they are. Raises `PlanError` where the runtime
    cannot load the plan as `loading` says, `VerificationError` where it cannot run it, each with
    its own words, `CudaError` where the GPU cannot be used.
    """
    own = "fp32" if model is None else precision_of(read_skeleton(model))
    tolerance = tolerance_of_plan(coarsest(own, precision or "fp32"), options)
    comparisons = []
    with Cuda() as cuda:
        engine = Engine(module, plan.path, cuda, loading)
        for point in points:
            report(f"verify {label}", f"{point.name} shapes")
            expected = load_tensors(point.outputs)
            inputs = load_tensors(point.inputs)
            for index in point.profiles:  # each has kernels of its own
                got = engine.run(inputs, index)
                shown = point.name if len(point.profiles) == 1 else f"{point.name} in {index}"
                for name, reference in expected.items():
                    place = Label(f"{against} vs plan {label}", shown, name)
                    comparisons.append(compare(place, reference, got[name], tolerance))
    return comparisons


def tolerance_of_plan(precision: Precision, options: VerifyOptions) -> Tolerance:
    """The tolerance for a plan that computes in `precision`, against exact numbers."""
    tolerance = tolerance_of(options, precision)
    return _TF32 if precision == "fp32" and tolerance.scaled else tolerance
