"""What `trtbuild verify` does: a version's plans against its model.onnx, on this machine's GPU.

It works from what lies in the version's folder: the lock says which shapes, tolerances and
precision, and how the source framework's numbers compared where the model was converted.
`model.onnx` is the graph before precision conversion, so the tolerance is that of the plan's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from trtbuild import device
from trtbuild.accuracy import Accuracy
from trtbuild.artifacts import Comparison, OnnxModel, SurgeryResult, VerifyReport
from trtbuild.errors import RepositoryError
from trtbuild.locked import (
    LockedVersion,
    check_any_runs,
    check_release,
    locked_version,
    runnable,
    runtime_of,
)
from trtbuild.plan.header import plan_header
from trtbuild.plugin_files import plugins_from_paths
from trtbuild.repository.layout import PORTABLE
from trtbuild.repository.lock import Lock
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import options_of_stages
from trtbuild.steps import Run
from trtbuild.verify.options import Precision, coarsest, precision_of_weak
from trtbuild.workers.pool import OnProgress

_LOWERED: dict[Any, Precision] = {"fp16": "fp16", "bf16": "bf16", "fp8e4m3fn": "fp8"}


class Verification(msgspec.Struct, frozen=True):
    """A version's figures: those of its conversion, and those of the plans on this machine."""

    name: str
    version: int
    directory: Path
    runtime: str
    runtime_version: str  # of the one that ran the plans
    report: VerifyReport


def verify(
    model: Path,
    version: int | None = None,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    reference: str | None = None,
    samples: Path | None = None,
    plugins: tuple[Path, ...] = (),
    runs_code: bool = False,
    on_progress: OnProgress = lambda _: None,
) -> Verification:
    """Run the plans of a version on this machine's GPUs, against its model.onnx.

    `model` is the model's folder; tolerances that are not given are those of its conversion.
    `reference` and `samples` take the place of model.onnx, which ONNX Runtime cannot run where its
    ops are those of `plugins`. `runs_code`: the code in version-compatible plans may run.
    Raises a `TrtbuildError` where nothing can be compared; whether the figures pass is in the
    report, which `verify.report.gate` judges.
    """
    plugins_from_paths(plugins)
    found = locked_version(model, version)
    lock, devices = found.lock, device.gpus()
    plans = found.plans()
    check_any_runs(plans, devices)
    runtime = runtime_of(plans[0].runtime, devices)
    for one in runnable(plans, devices):
        check_release(one.plan.path, plan_header(one.plan.path).version, runtime)
    request = ConvertRequest(
        source=str(portable_of(found)),
        repo=Path(),
        rtol=lock.options.get("rtol") if rtol is None else rtol,
        atol=lock.options.get("atol") if atol is None else atol,
        reference=reference,
        samples=samples,
        plugins=plugins,
    )
    source = identify(request.source, "onnx")
    with Run(source, runtime, options_of_stages(request, source.kind), on_progress) as run:
        graph = run.describe(Path(request.source))
        accuracy = Accuracy(
            run, graph, unchanged(graph), lock.profile, lock.each_profile, runs_code
        )
        on_gpu = accuracy.of_plans(plans, devices, precision_of_plans(lock))
    return Verification(
        name=lock.name,
        version=lock.version,
        directory=model,
        runtime=runtime.name,
        runtime_version=runtime.version,
        report=VerifyReport((*_of_source(lock), *on_gpu.comparisons), on_gpu.not_run),
    )


def portable_of(found: LockedVersion) -> Path:
    """The version's model.onnx. Raises `RepositoryError` where it is not there, or another one."""
    if not found.lock.onnx.portable:
        raise RepositoryError(
            f"'{found.path}' has no {PORTABLE}: it was converted with --no-portable",
            "plans are judged against it: convert the model again with --portable",
        )
    for name in found.lock.onnx.files:  # its external data as well
        found.file(name)
    return found.path / PORTABLE


def unchanged(model: OnnxModel) -> SurgeryResult:
    """`model` as a graph that surgery left alone."""
    return SurgeryResult(
        model,
        None,
        (),
        {spec.name: spec.name for spec in model.inputs},
        {spec.name: spec.name for spec in model.outputs},
    )


def precision_of_plans(lock: Lock) -> Precision | None:
    """What the plans compute in beyond what model.onnx says of itself: as asked, or as built."""
    asked = lock.options.get("precision")
    types = {asked, *(dtype for plan in lock.plans for dtype in plan.layers)}
    found = [_LOWERED[dtype] for dtype in types if dtype in _LOWERED]
    if weak := precision_of_weak(tuple(lock.options.get("weak", ()))):
        found.append(weak)
    return coarsest(*found) if found else None


def _of_source(lock: Lock) -> tuple[Comparison, ...]:
    """The figures of the conversion that no plan was part of: source and ONNX."""
    return tuple(one for one in lock.report.comparisons if " vs plan " not in one.pair)
