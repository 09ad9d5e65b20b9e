"""How plans are built, every option by name, and the key under which a plan is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from trtbuild.artifacts import Model, Profile
from trtbuild.capability import Capability
from trtbuild.errors import UsageError
from trtbuild.plan.runtimes import TENSORRT_RTX, RuntimeInfo
from trtbuild.plugins import PluginFile
from trtbuild.store import key_of

SHARINGS = ("shared", "per-target")
# By our names, the TensorRT member: how far a plan of data-centre TensorRT may travel.
HARDWARE_LEVELS = {
    "none": "NONE",
    "same-compute-capability": "SAME_COMPUTE_CAPABILITY",
    "ampere-plus": "AMPERE_PLUS",
}
# By our data type, the BuilderFlag of TensorRT 10 that lets a weakly typed network use it.
WEAK_FLAGS = {"fp16": "FP16", "bf16": "BF16", "int8": "INT8", "fp8e4m3fn": "FP8", "int4": "INT4"}
OPT_LEVELS = range(6)
# Raised when the builds of this package change so that the same options give another plan.
_REVISION = 2  # 2: with detailed layer information


class PlanOptions(msgspec.Struct, frozen=True):
    """How plans are built; None is TensorRT's own default."""

    sharing: str = "shared"  # of SHARINGS; only tensorrt-rtx can share
    workspace_mib: int | None = None
    opt_level: int | None = None  # of OPT_LEVELS
    # What only data-centre TensorRT has.
    timing_cache: Path | None = None  # None: one a runtime and GPU, beside the store
    hardware: str = "same-compute-capability"  # of HARDWARE_LEVELS
    version_compatible: bool = False
    weak_precisions: tuple[str, ...] = ()  # of WEAK_FLAGS; 10.x only. (): the graph says it all
    capturable: bool = False  # runs are to be captured in CUDA graphs
    plugins: tuple[PluginFile, ...] = ()  # loaded before a network is made

    def __post_init__(self) -> None:
        _one_of("--plans", self.sharing, SHARINGS)
        _one_of("hardware compatibility", self.hardware, HARDWARE_LEVELS)
        for precision in self.weak_precisions:
            _one_of("weak precision", precision, WEAK_FLAGS)
        if self.opt_level is not None and self.opt_level not in OPT_LEVELS:
            raise UsageError(f"--opt-level {self.opt_level} is not in 0..{OPT_LEVELS[-1]}")
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise UsageError(f"--workspace {self.workspace_mib} is no size", "give MiB, 1 or more")


def _one_of(what: str, value: str, known: Any) -> None:
    if value not in known:
        raise UsageError(f"{what} '{value}' is unknown", f"there are {', '.join(known)}")


def check_options(
    options: PlanOptions, runtime: RuntimeInfo, targets: tuple[Capability, ...]
) -> None:
    """Raise `UsageError` for an option that `runtime` does not have: never ignore one silently."""
    if runtime.name != TENSORRT_RTX:
        if options.timing_cache is not None and len(targets) > 1:
            raise UsageError(
                f"--timing-cache names one file, for one GPU; the targets are "
                f"{', '.join(map(str, targets))}",
                "leave it out: a cache for each release and GPU is kept anyway",
            )
        return
    for name, given in (
        ("--timing-cache", options.timing_cache is not None),
        ("version compatibility", options.version_compatible),
        ("weak precisions", bool(options.weak_precisions)),
        ("plugins (--plugins)", bool(options.plugins)),
    ):
        if given:
            raise UsageError(
                f"tensorrt-rtx has no {name}: only data-centre TensorRT does",
                "leave it out, or build with --runtime tensorrt",
            )


class PlanSpec(msgspec.Struct, frozen=True):
    """All that determines one plan."""

    model: Model
    profile: Profile
    options: PlanOptions
    targets: tuple[Capability, ...]  # ascending; their order would change a plan's bytes
    runtime: RuntimeInfo
    profiles: tuple[Profile, ...] = ()  # that `profile` is the envelope of; (): itself alone

    @property
    def each_profile(self) -> tuple[Profile, ...]:
        """The optimization profiles of the plan, in order."""
        return self.profiles or (self.profile,)


def plan_key(spec: PlanSpec) -> str:
    """The store's key of a plan: the digest of all that determines it, by name.

    Paths are no part of it, nor are enum integers, which move between TensorRT releases.
    """
    options, runtime = spec.options, spec.runtime
    how: dict[str, Any] = {"workspace_mib": options.workspace_mib, "opt_level": options.opt_level}
    if runtime.name != TENSORRT_RTX:
        how |= {
            "hardware": options.hardware,
            "version_compatible": options.version_compatible,
            "weak_precisions": sorted(options.weak_precisions),
            # It times its kernels on the GPU at hand, and so depends on the model of that.
            "gpus": sorted({gpu.name for gpu in runtime.gpus if gpu.capability in spec.targets}),
        }
    elif options.capturable:  # data-centre TensorRT needs no option of the builder for it
        how["capturable"] = True
    if options.plugins:
        how["plugins"] = sorted(plugin.digest for plugin in options.plugins)
    return key_of(
        {
            "onnx": spec.model.digest,
            "profile": spec.profile if len(spec.each_profile) == 1 else spec.each_profile,
            "options": how,
            "targets": [str(target) for target in spec.targets],
            "runtime": runtime.name,
            "version": runtime.version,
            "revision": _REVISION,
        }
    )
