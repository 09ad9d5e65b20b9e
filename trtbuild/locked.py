"""A version of a repository that trtbuild wrote: found by its lock, and what of it runs here."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trtbuild.artifacts import Plan, digest_of_files
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import MissingPackageError, PlanError, RepositoryError
from trtbuild.foreign import path_inside
from trtbuild.plan.header import PlanHeader
from trtbuild.plan.runtimes import (
    TENSORRT_RTX,
    RuntimeInfo,
    installed_runtimes,
    why_release_refuses,
)
from trtbuild.repository.layout import check_no_version, versions_of
from trtbuild.repository.lock import Lock, LockedPlan, read_lock


class LockedVersion(NamedTuple):
    """A version's folder and what its lock says."""

    path: Path
    lock: Lock

    def plans(self) -> tuple[Plan, ...]:
        """Its plans as they lie there. Raises `RepositoryError` for one that was changed."""
        return tuple(self._plan(index) for index in range(len(self.lock.plans)))

    def file(self, name: str) -> Path:
        """A file of the version; raises `RepositoryError` where it is not what was written."""
        path, stated = path_inside(self.path, name), self.lock.files.get(name)
        if not path.is_file():
            raise RepositoryError(f"'{path}' is not there", _AGAIN)
        if stated is None or digest_of_files(path) != stated.digest:
            raise RepositoryError(f"'{path}' is not the file that was written there", _AGAIN)
        return path

    def _plan(self, index: int) -> Plan:
        locked = self.lock.plans[index]
        stated = self.lock.files[self.file(locked.file).name]
        return Plan(
            self.path,
            locked.file,
            stated.digest,
            stated.size_bytes,
            locked.targets,
            locked.runtime,
            locked.runtime_version,
            locked.seconds,
            hardware=locked.hardware,
            version_compatible=locked.version_compatible,
            refit=locked.refit,
            stripped=locked.stripped,
            plugins=locked.plugins,
        )


_AGAIN = "copy the version again from where it was built, or convert the model again"


def locked_version(model: Path, number: int | None) -> LockedVersion:
    """Version `number`, or the latest, of the model whose folder is `model`.

    Raises `RepositoryError` where it is not there or trtbuild did not write it.
    """
    check_no_version(model)
    versions = versions_of(model)
    if not versions:
        raise RepositoryError(
            f"'{model}' is no model's folder: it has no versions",
            "give the folder of one model: REPO/MODEL",
        )
    path = versions.get(max(versions) if number is None else number)
    if path is None:
        there = ", ".join(map(str, versions))
        raise RepositoryError(f"'{model}' has no version {number}; it has {there}")
    lock = read_lock(path)
    if lock is None:
        raise RepositoryError(
            f"'{path}' was not written by trtbuild: nothing says what its plans were built from",
            "convert the model with trtbuild, or give a plan file where one will do",
        )
    return LockedVersion(path, lock)


def locked_plan(path: Path) -> LockedPlan | None:
    """What the lock beside the plan file `path` says of it; None where nothing does."""
    try:
        lock = read_lock(path.parent)
    except RepositoryError:
        return None  # `trtbuild repo validate` says what is wrong with it
    plans = () if lock is None else lock.plans
    return next((plan for plan in plans if plan.file == path.name), None)


class Runnable(NamedTuple):
    """A plan with the target it is run for and a GPU that is one."""

    plan: Plan
    target: Capability
    gpu: Gpu


def runnable(plans: tuple[Plan, ...], devices: Devices) -> list[Runnable]:
    """The plans that a GPU of this machine is a target of, each target once."""
    here = {gpu.capability: gpu for gpu in reversed(devices.gpus)}
    return [
        Runnable(plan, target, here[target])
        for plan in plans
        for target in plan.targets
        if target in here
    ]


def check_any_runs(plans: tuple[Plan, ...], devices: Devices) -> None:
    """Raise `RepositoryError` where no GPU of this machine is a target of any of the plans."""
    if runnable(plans, devices):
        return
    built = ", ".join(sorted({str(target) for plan in plans for target in plan.targets}))
    why = f" ({devices.problem})" if devices.problem else ""
    here = ", ".join(map(str, devices.capabilities)) or f"no GPU that can be used{why}"
    raise RepositoryError(
        f"the plans are for {built or 'no GPU'}; this machine has {here}",
        "run it on a machine with a GPU of such a compute capability",
    )


def targets_of(path: Path, header: PlanHeader) -> tuple[Capability, ...] | None:
    """The GPUs that a plan file is for; None where neither it nor the lock beside it tells.

    One that was built to run on more GPUs than its target tells none of them.
    """
    if header.targets is not None:
        return None if header.any_later else header.targets
    told = locked_plan(path)
    return None if told is None or told.hardware == "ampere-plus" else told.targets


def check_release(path: Path, version: str, runtime: RuntimeInfo) -> None:
    """Raise `PlanError` where the installed `runtime` does not run the plan `path` of `version`."""
    if why := why_release_refuses(version, runtime):
        raise PlanError(
            f"the plan {path} {why}",
            f"install {runtime.name} {version}, or convert the model again",
        )


def runtime_of(name: str, devices: Devices) -> RuntimeInfo:
    """The installed runtime `name`. Raises `MissingPackageError` where it is not."""
    for runtime in installed_runtimes(devices):
        if runtime.name == name:
            return runtime
    extra = "rtx" if name == TENSORRT_RTX else "tensorrt"
    raise MissingPackageError.of(name, extra, f"a plan of {name}")
