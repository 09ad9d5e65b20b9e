"""Which TensorRT runtimes are installed, what each builds for, and which one a run takes.

Found by their package metadata: nothing here imports them.

- `tensorrt`, data-centre TensorRT: plans that Triton's own TensorRT backend loads. It times
  kernels on the GPU, so it builds only for the GPUs of this machine.
- `tensorrt-rtx`, TensorRT for RTX: builds ahead of time, without a GPU, for a fixed list of
  compute capabilities; its plans do not load in Triton's stock backend.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re

import msgspec

from trtbuild.capability import GPUS, Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import MissingPackageError, PlanError, UsageError

TENSORRT = "tensorrt"
TENSORRT_RTX = "tensorrt-rtx"
NAMES = (TENSORRT, TENSORRT_RTX)

# The packages that may carry a runtime and the module each is imported as; the first one found
# is taken. The flavours by CUDA version install the same module; a bare `-bindings` package is
# enough to build with.
PACKAGES = {
    TENSORRT: (
        ("tensorrt", "tensorrt"),
        ("tensorrt-cu13", "tensorrt"),
        ("tensorrt-cu12", "tensorrt"),
        ("tensorrt-cu13-bindings", "tensorrt_bindings"),
        ("tensorrt-cu12-bindings", "tensorrt_bindings"),
    ),
    TENSORRT_RTX: (
        ("tensorrt-rtx", "tensorrt_rtx"),
        ("tensorrt-rtx-cu13", "tensorrt_rtx"),
        ("tensorrt-rtx-cu12", "tensorrt_rtx"),
        ("tensorrt-rtx-cu13-bindings", "tensorrt_rtx_bindings"),
        ("tensorrt-rtx-cu12-bindings", "tensorrt_rtx_bindings"),
    ),
}
_EXTRAS = {TENSORRT: "tensorrt", TENSORRT_RTX: "rtx"}

# Members of tensorrt_rtx.ComputeCapability in 1.7. A release with fewer says so when it builds.
RTX_CAPABILITIES = tuple(
    Capability(*pair) for pair in ((7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1))
)


class RuntimeInfo(msgspec.Struct, frozen=True):
    """An installed TensorRT and what it can do on this machine."""

    name: str  # one of NAMES
    package: str  # the distribution that carries it
    module: str  # what a worker imports
    version: str  # "1.7.1.116"
    capabilities: tuple[Capability, ...]  # that it builds for on this machine
    gpus: tuple[Gpu, ...] = ()  # that it builds on; empty where it needs none

    @property
    def shares_plans(self) -> bool:
        """One plan file can hold several targets."""
        return self.name == TENSORRT_RTX


def installed_runtimes(devices: Devices) -> tuple[RuntimeInfo, ...]:
    """Every runtime that is installed, data-centre TensorRT first."""
    found = (_runtime(name, devices) for name in NAMES)
    return tuple(runtime for runtime in found if runtime is not None)


def _runtime(name: str, devices: Devices) -> RuntimeInfo | None:
    for package, module in PACKAGES[name]:
        try:
            version = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
        if importlib.util.find_spec(module) is None:
            continue
        if name == TENSORRT_RTX:
            return RuntimeInfo(name, package, module, version, RTX_CAPABILITIES)
        return RuntimeInfo(name, package, module, version, devices.capabilities, devices.gpus)
    return None


def choose_runtime(name: str, devices: Devices) -> RuntimeInfo:
    """The runtime that `--runtime NAME` means on this machine.

    `auto`: data-centre TensorRT where it and a GPU are there, else TensorRT for RTX. Raises
    `MissingPackageError` where it is not installed, `PlanError` where it cannot build here.
    """
    if name not in ("auto", *NAMES):
        raise UsageError(f"no runtime is called '{name}'", f"there are auto, {', '.join(NAMES)}")
    installed = {runtime.name: runtime for runtime in installed_runtimes(devices)}
    wanted = name
    if name == "auto":
        wanted = TENSORRT if TENSORRT in installed and devices.gpus else TENSORRT_RTX
        if wanted not in installed and TENSORRT in installed:
            raise PlanError(
                f"tensorrt {installed[TENSORRT].version} builds on a GPU; {_no_gpu(devices)}",
                'have it see one, or pip install "trtbuild[rtx]": TensorRT for RTX needs none',
            )
    if wanted not in installed:
        needed_for = f"--runtime {name}" if name != "auto" else "building TensorRT plans here"
        raise MissingPackageError.of(wanted, _EXTRAS[wanted], needed_for)
    if wanted == TENSORRT and not devices.gpus:
        raise PlanError(
            f"--runtime tensorrt builds on a GPU of the target's compute capability; "
            f"{_no_gpu(devices)}",
            "run it on a machine with such a GPU, or build with --runtime tensorrt-rtx, "
            "which needs none",
        )
    return installed[wanted]


def _no_gpu(devices: Devices) -> str:
    if devices.problem:
        return f"this machine's driver cannot be used: {devices.problem}"
    return "this machine has none"


def release_parts(version: str) -> tuple[int, ...]:
    """The numbers that a release begins with, at most four: (10, 6, 0, 26)."""
    stated = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, stated[0].split(".")[:4])) if stated else ()


def same_release(one: str, other: str) -> bool:
    """Two names of releases agree as far as both state it.

    A plan says "10.6.0.26"; the package that wrote it says "10.6.0" before 10.15.
    """
    pairs = list(zip(release_parts(one), release_parts(other), strict=False))
    return bool(pairs) and all(a == b for a, b in pairs)


def why_release_refuses(version: str, runtime: RuntimeInfo) -> str:
    """Why `runtime` does not run a plan of the release `version`; "" where it may.

    Releases of TensorRT for RTX run their own plans only. TensorRT runs older plans that were
    built to be version compatible, which it tells itself, and never newer ones.
    """
    if same_release(version, runtime.version):
        return ""
    if runtime.name == TENSORRT and release_parts(version) < release_parts(runtime.version):
        return ""
    return (
        f"was built by {runtime.name} {version}, and {runtime.version} is installed here, "
        "which does not run it"
    )


def check_targets(targets: tuple[Capability, ...], runtime: RuntimeInfo) -> None:
    """Raise `PlanError` where `runtime` cannot build for one of `targets`, and say what can."""
    refused = [target for target in targets if target not in runtime.capabilities]
    if not refused:
        return
    text = ", ".join(str(target) for target in refused)
    builds = ", ".join(str(target) for target in runtime.capabilities) or "no GPU"
    if runtime.name == TENSORRT_RTX:
        raise PlanError(
            f"tensorrt-rtx {runtime.version} builds no plans for {text}{_examples(refused)}; "
            f"it builds for {builds}",
            f"data-centre TensorRT builds for {text}, on a machine with such a GPU: "
            'pip install "trtbuild[tensorrt]" there, then --runtime tensorrt',
        )
    hint = f"run it on a machine with a GPU of {text}"
    if all(target in RTX_CAPABILITIES for target in refused):
        hint += ", or build with --runtime tensorrt-rtx, which needs none"
    raise PlanError(
        f"tensorrt {runtime.version} builds on a GPU of the target's compute capability; "
        f"this machine has {builds}, not {text}",
        hint,
    )


def _examples(capabilities: list[Capability]) -> str:
    """` (H100, H200, H20)`: GPUs of the capability that people know by name."""
    names = [gpu.upper() for gpu, capability in GPUS.items() if capability in capabilities]
    return f" ({', '.join(names[:3])})" if names else ""
