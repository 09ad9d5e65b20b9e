"""Which plan runs on which GPU, or why none does.

A plan's file is chosen as Triton's TensorRT backend does: by the compute capability of the GPU
among `cc_model_filenames`, else `default_model_filename`, else `model.plan`. What Triton then
leaves to the deserializer is judged before it, as far as the plan's header and
`trtbuild.lock.json` tell: another runtime, another release, other targets.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import ForeignNameError, PlanError, RepositoryError
from trtbuild.foreign import Fence, fence_of, path_inside
from trtbuild.plan.header import PlanHeader, plan_header
from trtbuild.plan.runtimes import (
    TENSORRT,
    TENSORRT_RTX,
    RuntimeInfo,
    installed_runtimes,
    why_release_refuses,
)
from trtbuild.plugins import PluginFile
from trtbuild.repository.layout import PORTABLE
from trtbuild.repository.lock import Lock, LockedPlan, read_lock
from trtserve.errors import Kind, ServeError, invalid
from trtserve.placement import CPU, Seat, devices_of, gpu_index

# Backend of a config -> the runtime whose plans it runs.
RUNTIMES = {"tensorrt": TENSORRT, "tensorrt_rtx": TENSORRT_RTX}
_EXTRAS = {TENSORRT: "tensorrt", TENSORRT_RTX: "rtx"}
DEFAULT_FILE = "model.plan"


class Links(NamedTuple):
    """Which links are followed out of a model's directory, and how far."""

    named: frozenset[str]  # files that whoever made the repository named, and no client
    fence: Fence | None  # of those; None: they stay in the version's folder


NO_LINKS = Links(frozenset(), None)


class PlanRefused(ServeError):  # noqa: N818  # who asks for a fallback gets one
    """A plan that is for a GPU of this machine does not run on it; the message says why."""

    def __init__(self, why: str) -> None:
        super().__init__(Kind.UNAVAILABLE, why)


class NoPlanHere(PlanRefused):
    """No plan is meant for where the model's instances sit: no GPU, or one of other targets."""


class Chosen(NamedTuple):
    """Plans to load."""

    runtime: RuntimeInfo
    files: dict[str, Path]  # by device: "cuda:0"
    why: dict[str, str]  # by device: "8.9 in cc_model_filenames"
    host_code: bool = False  # plans with a runtime of their own are loaded: `--version-compatible`
    plugins: tuple[PluginFile, ...] = ()  # to be loaded before them


def choose(
    config: Any,
    folder: Path,
    seats: Sequence[Seat],
    found: Devices,
    runtimes: Sequence[RuntimeInfo] | None = None,
    *,
    links: Links = NO_LINKS,
) -> Chosen:
    """A plan of the version's `folder` for each device that an instance sits on.

    `runtimes`: those installed, looked up where None; `links`: see `within`. Raises `PlanRefused`,
    and `ServeError` where a file name leads out of the model's directory.
    """
    choice = _Choice(config, folder, found, links)
    files, why = {}, {}
    for device in devices_of(seats):
        gpu = choice.gpu(device)
        files[device], why[device] = choice.file(gpu)
    headers = {path: choice.header(path) for path in files.values()}
    for device, path in files.items():
        choice.check_target(choice.gpu(device), path, headers[path])
    installed = installed_runtimes(found) if runtimes is None else runtimes
    runtime = choice.runtime(installed)
    for path, header in headers.items():
        choice.check_release(path, header, runtime)
    return Chosen(runtime, files, why)


def fall_back(name: str, folder: Path, fallback: str, refused: PlanRefused) -> tuple[Path, str]:
    """The portable model that runs instead of plans, and the note that says so.

    `fallback`: what `--fallback` says. Raises `ServeError` where it may not, or is not there:
    a GPU that has its plan was paid for, so "auto" leaves it for the processor only where no plan
    is meant for it.
    """
    if fallback == "none":
        raise ServeError(Kind.UNAVAILABLE, f"model '{name}' cannot run here: {refused}")
    if fallback == "auto" and not isinstance(refused, NoPlanHere):
        raise ServeError(
            Kind.UNAVAILABLE,
            f"model '{name}' cannot run here: {refused} (--fallback onnx would run {PORTABLE} "
            "instead)",
        )
    portable = folder / PORTABLE
    if not portable.is_file():
        raise ServeError(
            Kind.UNAVAILABLE,
            f"model '{name}' cannot run here: {refused}, and there is no {PORTABLE} beside its "
            "plans to fall back on",
        )
    return portable, f"runs {PORTABLE} on ONNX Runtime: {refused}"


class _Choice:
    """One version of one model on this machine."""

    def __init__(self, config: Any, folder: Path, found: Devices, links: Links) -> None:
        self._links = links
        self._config = config
        self._folder = folder
        self._found = found
        self._lock = _lock(folder, links.fence)

    def gpu(self, device: str) -> Gpu:
        if not self._found.gpus:
            raise NoPlanHere(self._mismatch())
        if device == CPU:
            raise NoPlanHere(
                f"{self._mismatch()}, but an instance sits on the CPU (--device or instance_group)"
            )
        for gpu in self._found.gpus:
            if gpu.index == gpu_index(device):
                return gpu
        raise PlanRefused(f"{self._mismatch()}, and none of them is {device}")

    def file(self, gpu: Gpu) -> tuple[Path, str]:
        """The plan for `gpu` and what chose it."""
        named = self._config.cc_model_filenames
        key = str(gpu.capability)
        name = named.get(key) or self._config.default_model_filename or DEFAULT_FILE
        path = within(self._folder, name, self._links)
        if key in named:
            if not path.is_file():
                raise PlanRefused(
                    f"'{name}', which cc_model_filenames names for {key}, is not in version "
                    f"{self._folder.name}"
                )
            return path, f"{key} in cc_model_filenames"
        if not path.is_file():
            raise NoPlanHere(self._mismatch(gpu))
        return path, f"the default: {key} is not in cc_model_filenames"

    def header(self, path: Path) -> PlanHeader:
        try:
            header = plan_header(path)
        except PlanError as error:
            said = error.message.replace(f"{path}", path.name)
            raise PlanRefused(f"{said} ({error.hint})" if error.hint else said) from None
        wanted = RUNTIMES[self._config.backend]
        if header.runtime != wanted:
            right = next(backend for backend, name in RUNTIMES.items() if name == header.runtime)
            raise PlanRefused(
                f"{path.name} is a plan of {header.runtime}, and backend "
                f"'{self._config.backend}' runs those of {wanted}: say backend: \"{right}\""
            )
        locked = self._locked(path)
        if locked is not None and locked.stripped:
            raise PlanRefused(without_weights(path.name))
        return header

    def check_target(self, gpu: Gpu, path: Path, header: PlanHeader) -> None:
        """The plan was built for `gpu`, as far as anything tells."""
        if header.any_later:
            return  # no target was declared: the runtime knows
        targets = header.targets
        if targets is None and (locked := self._locked(path)) is not None:
            if locked.hardware:
                return  # it was built to run on more GPUs than its target: the runtime knows
            targets = locked.targets
        if targets is None or gpu.capability in targets:
            return
        if str(gpu.capability) in self._config.cc_model_filenames:
            raise PlanRefused(
                f"cc_model_filenames names {path.name} for {gpu.capability}, but it was built for "
                f"{', '.join(map(str, targets))}; {self._machine()}"
            )
        raise NoPlanHere(self._mismatch(gpu, targets))

    def runtime(self, installed: Sequence[RuntimeInfo]) -> RuntimeInfo:
        wanted = RUNTIMES[self._config.backend]
        for runtime in installed:
            if runtime.name == wanted:
                return runtime
        raise PlanRefused(
            f"the package '{wanted}', which runs its plans, is not installed: "
            f'pip install "trtbuild[{_EXTRAS[wanted]}]"'
        )

    def check_release(self, path: Path, header: PlanHeader, runtime: RuntimeInfo) -> None:
        """The runtime's release can run the plan's, as far as their numbers tell."""
        if why := why_release_refuses(header.version, runtime):
            raise PlanRefused(f"{path.name} {why}: install {header.version}, or convert again")

    def _locked(self, path: Path) -> LockedPlan | None:
        plans = () if self._lock is None else self._lock.plans
        return next((plan for plan in plans if plan.file == path.name), None)

    def _mismatch(self, gpu: Gpu | None = None, targets: Sequence[Capability] = ()) -> str:
        """What the plans are for, and what is here."""
        text = f"{self._targets(targets)}; {self._machine()}"
        fits = {str(each.capability) for each in self._found.gpus} & set(
            self._config.cc_model_filenames
        )
        if gpu is not None and fits:
            text += f". No plan is for {gpu.name}: name the GPUs that fit in instance_group"
        return text

    def _targets(self, targets: Sequence[Capability]) -> str:
        keys = sorted(self._config.cc_model_filenames, key=_ascending)
        if not keys:
            locked = () if self._lock is None else self._lock.plans
            all_targets = {*targets, *(target for plan in locked for target in plan.targets)}
            keys = [str(target) for target in sorted(all_targets)]
        if not keys:
            return "its plan names no compute capability"
        return f"its plans are for compute capability {', '.join(keys)}"

    def _machine(self) -> str:
        if self._found.gpus:
            gpus = sorted(self._found.gpus, key=lambda gpu: (gpu.capability, gpu.index))
            named = dict.fromkeys(f"{gpu.name} ({gpu.capability})" for gpu in gpus)
            return f"this machine has {', '.join(named)}"
        problem = f" that can be used ({self._found.problem})" if self._found.problem else ""
        return f"this machine has no GPU{problem}"


def without_weights(plan: str) -> str:
    """Why a plan that was stripped is not run, and what makes one that is."""
    return (
        f"{plan} was built without its weights: `trtbuild refit` gives it those of its ONNX model, "
        "and writes a plan that runs"
    )


def within(folder: Path, name: str, links: Links = NO_LINKS) -> Path:
    """A file of a version's folder. Raises `ServeError` where its name leads out.

    What a client names may be no link that leads out of the model's directory.
    """
    fence = links.fence if name in links.named else fence_of(folder.parent, folder)
    try:
        return path_inside(folder, name, fence)
    except ForeignNameError as error:
        raise invalid(
            f"'{name}' must stay within the model's directory: {error.message}"
            if name in links.named
            else f"'{name}' must stay within the model's directory"
        ) from None


def _lock(folder: Path, fence: Fence | None) -> Lock | None:
    try:
        return read_lock(folder, fence)
    except RepositoryError:
        return None  # `trtbuild validate` says what is wrong with it; the plan may be good


def _ascending(key: str) -> tuple[float, ...]:
    """Sorts "12.0" after "7.5", and what is no compute capability last."""
    match = re.fullmatch(r"(\d+)\.(\d+)", key)
    return (float(match[1]), float(match[2])) if match else (float("inf"),)
