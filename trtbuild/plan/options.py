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
DEFAULT_LEVEL = "same-compute-capability"
# By our data type, the BuilderFlag of TensorRT 10 that lets a weakly typed network use it.
WEAK_FLAGS = {"fp16": "FP16", "bf16": "BF16", "int8": "INT8", "fp8e4m3fn": "FP8", "int4": "INT4"}
# By our names, the BuilderFlags of a plan that other releases of TensorRT load too.
VERSION_FLAGS = {
    "with-lean-runtime": ("VERSION_COMPATIBLE",),  # inside the plan; what Triton loads
    "without-lean-runtime": ("VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME"),
}
# By our names, the BuilderFlag of a plan whose weights can be given again.
REFIT_FLAGS = {
    "identical": "REFIT_IDENTICAL",  # only those it was built with: the builder may rely on them
    "any": "REFIT",
}
# By our names, members of TacticSource. 11 has lost the first three; "none" is our own word.
TACTIC_SOURCES = {
    "cublas": "CUBLAS",
    "cublas-lt": "CUBLAS_LT",
    "cudnn": "CUDNN",
    "edge-mask-convolutions": "EDGE_MASK_CONVOLUTIONS",
    "jit-convolutions": "JIT_CONVOLUTIONS",
}
NO_SOURCES = "none"
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
    require_timing_cache: bool = False  # what the cache does not know is an error, not timed
    hardware: str | None = None  # of HARDWARE_LEVELS; None: DEFAULT_LEVEL where that builds
    version_compatible: str | None = None  # of VERSION_FLAGS
    weak_precisions: tuple[str, ...] = ()  # of WEAK_FLAGS; 10.x only. (): the graph says it all
    refittable: str | None = None  # of REFIT_FLAGS
    strip_weights: bool = False
    tactic_sources: tuple[str, ...] = ()  # of TACTIC_SOURCES, or NO_SOURCES alone
    capturable: bool = False  # runs are to be captured in CUDA graphs
    plugins: tuple[PluginFile, ...] = ()  # loaded before a network is made

    def __post_init__(self) -> None:
        _one_of("--plans", self.sharing, SHARINGS)
        for option, value, known in (
            ("--hardware-compat", self.hardware, HARDWARE_LEVELS),
            ("--version-compatible", self.version_compatible, VERSION_FLAGS),
            ("--refittable", self.refittable, REFIT_FLAGS),
        ):
            if value is not None:
                _one_of(option, value, known)
        for precision in self.weak_precisions:
            _one_of("--weak", precision, WEAK_FLAGS)
        for source in self.tactic_sources:
            _one_of("--tactic-sources", source, (*TACTIC_SOURCES, NO_SOURCES))
        if NO_SOURCES in self.tactic_sources and len(self.tactic_sources) > 1:
            raise UsageError(
                f"--tactic-sources {','.join(self.tactic_sources)} contradicts itself",
                f"give the sources, or {NO_SOURCES} alone",
            )
        if self.refittable == "identical" and not self.strip_weights:
            raise UsageError(
                "--refittable identical lets a plan take the weights it was built with, and this "
                "one has them",
                "add --strip-weights, or give --refittable any",
            )
        if self.opt_level is not None and self.opt_level not in OPT_LEVELS:
            raise UsageError(f"--opt-level {self.opt_level} is not in 0..{OPT_LEVELS[-1]}")
        if self.workspace_mib is not None and self.workspace_mib < 1:
            raise UsageError(f"--workspace {self.workspace_mib} is no size", "give MiB, 1 or more")

    @property
    def refit(self) -> str | None:
        """Which weights the plan can be given, of REFIT_FLAGS.

        A plan without its weights is of no use unless they can be given. trtexec lets it take only
        those it was built with; of such a plan 10.6 says that it takes none.
        """
        return self.refittable or ("any" if self.strip_weights else None)


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
        ("--require-timing-cache", options.require_timing_cache),
        ("--hardware-compat", options.hardware is not None),
        ("--version-compatible", options.version_compatible is not None),
        ("--weak", bool(options.weak_precisions)),
        ("--refittable", options.refittable is not None),
        ("--strip-weights", options.strip_weights),
        ("--tactic-sources", bool(options.tactic_sources)),
        ("--plugins", bool(options.plugins)),
    ):
        if given:
            raise UsageError(
                f"tensorrt-rtx has no {name}: {_WHY_NOT_RTX[name]}",
                "leave it out, or build with --runtime tensorrt on a machine with a GPU of "
                "the target",
            )


_ONE_FILE = "a plan of it runs on every GPU of its targets as it is: name them with --target"
_NO_GPU = "TensorRT for RTX removes weights only with a GPU, and trtbuild builds without one"
_NO_TIMING = "it times nothing when it builds: kernels are chosen where the plan runs"
_WHY_NOT_RTX = {
    "--timing-cache": _NO_TIMING,
    "--require-timing-cache": _NO_TIMING,
    "--hardware-compat": _ONE_FILE,
    "--version-compatible": "its plans run in the release that built them only",
    "--weak": "every network is strongly typed there; --precision fp16 writes types into the graph",
    "--refittable": _NO_GPU,
    "--strip-weights": _NO_GPU,
    "--tactic-sources": _NO_TIMING,
    "--plugins": "creators register with data-centre TensorRT, whose libraries a plugin links",
}


class PlanSpec(msgspec.Struct, frozen=True):
    """All that determines one plan."""

    model: Model
    profile: Profile
    options: PlanOptions
    targets: tuple[Capability, ...]  # ascending; their order would change a plan's bytes
    runtime: RuntimeInfo
    profiles: tuple[Profile, ...] = ()  # that `profile` is the envelope of; (): itself alone
    kept_cache: Path | None = None  # the store's timing cache, where the options name none

    @property
    def each_profile(self) -> tuple[Profile, ...]:
        """The optimization profiles of the plan, in order."""
        return self.profiles or (self.profile,)


def plan_key(spec: PlanSpec) -> str:
    """The store's key of a plan: the digest of all that determines it, by name.

    Paths are no part of it, nor are enum integers, which move between TensorRT releases. Nor is
    a timing cache: it says how long a build takes, not which plan it is.
    """
    options, runtime = spec.options, spec.runtime
    how: dict[str, Any] = {"workspace_mib": options.workspace_mib, "opt_level": options.opt_level}
    if runtime.name != TENSORRT_RTX:
        how |= {
            "hardware": options.hardware,
            "version_compatible": options.version_compatible,
            "weak_precisions": sorted(set(options.weak_precisions)),
            "refit": options.refit,
            "strip_weights": options.strip_weights,
            "tactic_sources": sorted(set(options.tactic_sources)),
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
