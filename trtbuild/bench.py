"""What `trtbuild bench` does: a plan file, or the plan of a model that fits the GPU, measured."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from trtbuild import device
from trtbuild.artifacts import digest_of_files
from trtbuild.device import Devices, Gpu, visible_only
from trtbuild.engine_from_plan import Loading, Told
from trtbuild.errors import CudaError, UsageError
from trtbuild.locked import (
    check_any_runs,
    check_release,
    locked_plan,
    locked_version,
    runnable,
    runtime_of,
    targets_of,
)
from trtbuild.plan.header import plan_header
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plugin_files import plugins_from_paths
from trtbuild.verify.timing import Bench, BenchOptions, Measurement
from trtbuild.workers.pool import OnProgress, Pool


def bench(
    source: Path,
    options: BenchOptions,
    version: int | None = None,
    on_progress: OnProgress = lambda _: None,
    *,
    plugins: Iterable[Path] = (),
    runs_code: bool = False,
) -> Bench:
    """Measure `source`, a plan file or the folder of a model, on the first GPU that it fits.

    `plugins` are loaded first; `runs_code`: the code in a version-compatible plan may run. Raises a
    `TrtbuildError` where there is no such GPU, the runtime is not installed, the plan does not load
    or lacks its weights, or does not take the shapes.
    """
    files = plugins_from_paths(plugins)
    _check(options)
    chosen = _chosen(source, version, device.gpus())
    check_release(chosen.path, plan_header(chosen.path).version, chosen.runtime)
    with Pool() as pool, pool.worker(visible_only(chosen.gpu)) as worker:
        found = worker.call(
            "trtbuild.verify.bench_run:measure",
            list[Measurement],
            on_progress,
            plan=chosen.path,
            module=chosen.runtime.module,
            options=options,
            loading=Loading.of(chosen.told, files, runs_code=runs_code),
        )
    return Bench(
        plan=str(chosen.path),
        digest=digest_of_files(chosen.path),
        runtime=chosen.runtime.name,
        runtime_version=chosen.runtime.version,
        gpu=chosen.gpu.name,
        options=options,
        measurements=tuple(found),
    )


class _Chosen(NamedTuple):
    path: Path
    runtime: RuntimeInfo
    gpu: Gpu
    told: Told | None


def _chosen(source: Path, version: int | None, devices: Devices) -> _Chosen:
    if source.is_dir():
        found = locked_version(source, version)
        plans = found.plans()
        check_any_runs(plans, devices)
        plan, _, gpu = runnable(plans, devices)[0]
        return _Chosen(plan.path, runtime_of(plan.runtime, devices), gpu, plan)
    if not source.is_file():
        raise UsageError(f"'{source}' does not exist", "give a plan file, or REPO/MODEL")
    if version is not None:
        raise UsageError("--version goes with REPO/MODEL: a plan file has none", "leave it out")
    header = plan_header(source)
    targets = targets_of(source, header)
    gpus = [gpu for gpu in devices.gpus if targets is None or gpu.capability in targets]
    if not gpus:
        why = devices.problem or "this machine has none"
        if devices.gpus:
            why = f"this machine has {', '.join(map(str, devices.capabilities))}"
        built = ", ".join(map(str, targets or ())) or "its compute capability"
        raise CudaError(f"'{source}' runs on a GPU of {built}; {why}", "run it where one is")
    return _Chosen(source, runtime_of(header.runtime, devices), gpus[0], locked_plan(source))


def _check(options: BenchOptions) -> None:
    if options.streams < 1 or any(batch < 1 for batch in options.batches):
        raise UsageError("--streams and --batch are counts: 1 or more")
    if options.seconds < 0 or options.warm_up_ms < 0 or options.iterations < 1:
        raise UsageError("--duration and --warm-up are times, 0 or more; --iterations is 1 or more")
