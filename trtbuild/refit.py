"""`trtbuild refit`: plans without weights, or with others, are given those of an ONNX file.

Of a version in a repository the plans whose GPU is here are refitted, from the `model.onnx`
beside them, and the version is written as a whole, as by `convert`.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from trtbuild import device
from trtbuild.artifacts import Progress, digest_of_files
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu, visible_only
from trtbuild.engine_from_plan import Loading
from trtbuild.errors import PlanError, RepositoryError, UsageError
from trtbuild.foreign import path_inside
from trtbuild.locked import check_release, locked_plan, targets_of
from trtbuild.onnx_files import external_files
from trtbuild.plan.header import PlanHeader, plan_header
from trtbuild.plan.refit import RefittedPlan
from trtbuild.plan.runtimes import TENSORRT, RuntimeInfo, choose_runtime
from trtbuild.plugin_files import plugins_from_paths
from trtbuild.repository.layout import PORTABLE, versions_of, with_a_name
from trtbuild.repository.lock import Lock, read_lock
from trtbuild.repository.write import Content, write_version
from trtbuild.workers.pool import OnProgress, Pool


class Refitted(msgspec.Struct, frozen=True):
    """What a run of `refit` wrote."""

    plans: tuple[Path, ...]  # with weights now
    left: dict[str, str]  # plan file -> why it was left as it was
    seconds: float


def refit_plan(
    plan: Path,
    onnx: Path,
    output: Path,
    on_progress: OnProgress = lambda _: None,
    *,
    plugins: Iterable[Path] = (),
    runs_code: bool = False,
) -> Refitted:
    """Write to `output` the plan file `plan` with the weights of `onnx`; by one rename.

    `plugins` are loaded first; `runs_code`: the code in a version-compatible plan may run.
    Raises `PlanError` where this machine cannot load it, or the weights do not fit.
    """
    started = time.monotonic()
    files = plugins_from_paths(plugins)
    header = _header(plan)
    _check_onnx(onnx)
    loading = Loading.of(locked_plan(plan), files, runs_code=runs_code)
    devices = device.gpus()
    runtime = choose_runtime(TENSORRT, devices)
    check_release(plan, header.version, runtime)
    gpu = _gpu_for(plan, targets_of(plan, header), devices)
    folder = with_a_name(output).parent
    if not folder.is_dir():
        raise UsageError(f"--output '{output}': there is no folder '{folder}'", "make it first")
    with _beside(output) as made, Pool() as pool:
        here = _Here(runtime, pool, on_progress)
        done = here.refit(plan, onnx, made / output.name, gpu, loading)
        done.path.replace(output)
    return Refitted((output,), {}, time.monotonic() - started)


def refit_model(
    model: Path,
    onnx: Path | None = None,
    version: int | None = None,
    on_progress: OnProgress = lambda _: None,
    *,
    plugins: Iterable[Path] = (),
    runs_code: bool = False,
) -> Refitted:
    """Give the plans of `model`, a model's folder in a repository, the weights they lack.

    `plugins` and `runs_code` as for `refit_plan`. `version` None: the latest. `onnx` None: the
    `model.onnx` beside the plans. Raises `RepositoryError` where the version is none of trtbuild's
    or the ONNX file is not the model its plans were built from, `PlanError` where no plan can be
    refitted here.
    """
    started = time.monotonic()
    files = plugins_from_paths(plugins)
    folder, lock = _version_of(model, version)
    stripped = [plan for plan in lock.plans if plan.stripped]
    if not stripped:
        raise PlanError(
            f"no plan of '{folder}' lacks its weights",
            "to give a plan other ones: trtbuild refit PLAN --onnx FILE --output OUT",
        )
    weights = _weights_of(folder, lock, onnx)
    devices = device.gpus()
    runtime = choose_runtime(TENSORRT, devices)
    gpus = {gpu.capability: gpu for gpu in reversed(devices.gpus)}
    left = {
        plan.file: f"no GPU of {plan.targets[0]} is here"
        for plan in stripped
        if plan.targets[0] not in gpus
    }
    ready = [plan for plan in stripped if plan.file not in left]
    if not ready:
        why = "; ".join(f"{file}: {reason}" for file, reason in left.items())
        raise PlanError(f"nothing was refitted: {why}", "run it on a machine with such a GPU")
    with tempfile.TemporaryDirectory(prefix="trtbuild-") as made, Pool() as pool:
        here = _Here(runtime, pool, on_progress)
        for path in (path_inside(folder, plan.file) for plan in ready):
            check_release(path, _header(path).version, runtime)
        done = {
            plan.file: here.refit(
                path_inside(folder, plan.file),
                weights,
                path_inside(Path(made), plan.file),
                gpus[plan.targets[0]],
                Loading.of(plan, files, runs_code=runs_code),
            )
            for plan in ready
        }
        _write(with_a_name(model), folder, lock, done)
    plans = tuple(path_inside(folder, file) for file in done)
    return Refitted(plans, left, time.monotonic() - started)


@contextlib.contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder on the file system of `output`; one that a killed run has left there goes first.

    It is locked, which ends with its process: who is at work keeps its own.
    """
    prefix = f".{output.name}.trtbuild-"
    for old in output.parent.glob(f"{glob.escape(prefix)}*"):
        with contextlib.suppress(OSError), _locked(old):
            shutil.rmtree(old, ignore_errors=True)
    made = tempfile.TemporaryDirectory(dir=output.parent, prefix=prefix)
    with made as name, _locked(Path(name)):
        yield Path(name)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


class _Here(msgspec.Struct):
    """What is on this machine: a runtime; and workers."""

    runtime: RuntimeInfo
    pool: Pool
    on_progress: OnProgress

    def refit(
        self, plan: Path, onnx: Path, output: Path, gpu: Gpu, loading: Loading
    ) -> RefittedPlan:
        """In a worker that sees `gpu` alone."""
        self.on_progress(Progress(plan.name, "refitting"))
        with self.pool.worker(visible_only(gpu)) as worker:
            done = worker.call(
                "trtbuild.plan.refit:refit",
                RefittedPlan,
                runtime=self.runtime,
                plan=plan,
                onnx=onnx,
                output=output,
                loading=loading,
            )
        self.on_progress(Progress(plan.name, "refitted", 1, 1))
        return done


def _version_of(model: Path, version: int | None) -> tuple[Path, Lock]:
    versions = versions_of(model)
    if not versions:
        raise UsageError(
            f"'{model}' is neither a plan file nor a model with versions",
            "give REPO/MODEL, or PLAN --onnx FILE --output OUT",
        )
    number = version or max(versions)
    if number not in versions:
        there = ", ".join(map(str, versions))
        raise UsageError(f"'{model}' has no version {number} (versions: {there})")
    lock = read_lock(versions[number])
    if lock is None:
        raise RepositoryError(
            f"'{versions[number]}' was not written by trtbuild: nothing says what its plans are",
            "refit its plans one by one: trtbuild refit PLAN --onnx FILE --output OUT",
        )
    for file in (plan.file for plan in lock.plans if plan.stripped):
        path = path_inside(versions[number], file)
        if not path.is_file() or digest_of_files(path) != lock.files[file].digest:
            raise RepositoryError(
                f"'{path}' is not the plan that trtbuild wrote: its digest differs",
                "convert the model again with --replace",
            )
    return versions[number], lock


def _weights_of(folder: Path, lock: Lock, onnx: Path | None) -> Path:
    """The ONNX file that the plans were built from: no other one makes the lock's figures true."""
    path = folder / PORTABLE if onnx is None else onnx
    if not path.is_file():
        raise RepositoryError(
            f"there is no '{path}' to take the weights from",
            "give the ONNX model that the plans were built from with --onnx",
        )
    if digest_of_files(path, *external_files(path)) != lock.onnx.digest:
        raise RepositoryError(
            f"'{path}' is not the ONNX model that the plans of '{folder}' were built from",
            "give that one with --onnx; for other weights, of a plan with --refittable any: "
            "trtbuild refit PLAN --onnx FILE --output OUT",
        )
    return path


def _write(model: Path, folder: Path, lock: Lock, done: dict[str, RefittedPlan]) -> None:
    plans = tuple(
        msgspec.structs.replace(plan, stripped=plan.stripped and plan.file not in done)
        for plan in lock.plans
    )
    files = {file: path_inside(folder, file) for file in lock.files}
    files |= {file: refitted.path for file, refitted in done.items()}
    content = Content(files, {}, None, msgspec.structs.replace(lock, plans=plans), read=lock)
    write_version(model.parent, content, "replace", lock.version)


def _gpu_for(plan: Path, targets: tuple[Capability, ...] | None, devices: Devices) -> Gpu:
    for gpu in devices.gpus:
        if targets is None or gpu.capability in targets:
            return gpu
    here = ", ".join(map(str, devices.capabilities))
    raise PlanError(
        f"'{plan}' is for {', '.join(map(str, targets or ()))}, and is refitted there; "
        f"this machine has {here}",
        "run it on a machine with such a GPU",
    )


def _header(plan: Path) -> PlanHeader:
    """Of a plan that can be given weights. Raises `PlanError` for what is none."""
    if (header := plan_header(plan)).runtime != TENSORRT:
        raise PlanError(
            f"'{plan}' is a plan of {header.runtime}, which has its weights inside",
            "convert with --runtime tensorrt --strip-weights for one that is refitted",
        )
    return header


def _check_onnx(onnx: Path) -> None:
    if not onnx.is_file():
        raise UsageError(f"--onnx: no such file: '{onnx}'")
