"""What only data-centre TensorRT (package `tensorrt`) has, for releases 10 and 11.

- Strong typing is a choice in 10, where precision flags let a weakly typed network use reduced
  precision; 11 has neither the choice nor the flags.
- A plan fits the GPU model it was built on, unless a hardware compatibility level widens that.
- Kernels are timed on the GPU; a timing cache, one for each release and GPU, keeps the times.

Written from NVIDIA's headers (NvInfer.h 10.16, 11.1) and documents. Members of enums are looked
up by name: their integers moved between 10 and 11.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from trtbuild import device
from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.plan.options import HARDWARE_LEVELS, WEAK_FLAGS, PlanOptions
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session

_FALLBACK = "none"  # the level that can always be built


def timing_cache_path(root: Path, runtime: RuntimeInfo, target: Capability) -> Path:
    """Where the timing cache for `target` lies under the store's `root`.

    A cache holds for one release and one GPU model; another one's is not used.
    """
    names = sorted({gpu.name for gpu in runtime.gpus if gpu.capability == target}) or ["gpu"]
    name = re.sub(r"\W+", "-", f"{names[0]} sm{target.major}{target.minor}").strip("-").lower()
    return root / "timing" / f"{runtime.name}-{runtime.version}" / f"{name}.cache"


def network_flags(session: Session, options: PlanOptions, typed: int) -> int:
    """Creation flags: strongly typed, unless 10.x is asked to choose precisions itself."""
    if not options.weak_precisions:
        return typed
    for precision in options.weak_precisions:
        _flag(session, precision)
    return 0


def _flag(session: Session, precision: str) -> Any:
    member = session.member("BuilderFlag", WEAK_FLAGS[precision])
    if member is None:
        raise PlanError(
            f"{session.name} has no builder flag {WEAK_FLAGS[precision]}: it makes every network "
            "strongly typed",
            f"convert the model's precision instead: --precision {precision}"
            if precision in ("fp16", "bf16")
            else "quantize the model before it is converted",
        )
    return member


def check_gpu(target: Capability) -> None:
    """Raise `PlanError` where the GPU this process builds on is not one of `target`."""
    found = device.gpus()
    if not found.gpus or found.gpus[0].capability != target:
        there = f"a GPU of {found.gpus[0].capability}" if found.gpus else "no GPU"
        raise PlanError(
            f"a plan for {target} is built on a GPU of {target}; this process sees {there}",
            "look at CUDA_VISIBLE_DEVICES",
            blamed=str(target),
            refused_by="machine",
        )


def hardware_levels(session: Session, options: PlanOptions) -> tuple[str, ...]:
    """The compatibility levels to try, in order; a level can fail where `none` builds."""
    wanted = options.hardware
    if session.member("HardwareCompatibilityLevel", HARDWARE_LEVELS[wanted]) is None:
        return (_FALLBACK,)  # releases before SAME_COMPUTE_CAPABILITY
    return (wanted,) if wanted == _FALLBACK else (wanted, _FALLBACK)


def configure(session: Session, config: Any, options: PlanOptions, level: str) -> None:
    """Set what only this runtime has on a builder config."""
    for precision in options.weak_precisions:
        config.set_flag(_flag(session, precision))
    if options.version_compatible:
        config.set_flag(session.trt.BuilderFlag.VERSION_COMPATIBLE)
    if level != _FALLBACK:
        config.hardware_compatibility_level = session.member(
            "HardwareCompatibilityLevel", HARDWARE_LEVELS[level]
        )


def fallback_note(options: PlanOptions, reason: str) -> str:
    """What to tell the user of a plan that was built at level `none` only."""
    return (
        f"built without hardware compatibility '{options.hardware}' ({reason}): "
        "the plan fits GPUs of the very model it was built on"
    )


def load_timing_cache(config: Any, path: Path) -> None:
    """Have the build use and extend the cache at `path`; one that does not fit starts empty."""
    try:
        data = path.read_bytes()
    except OSError:
        data = b""
    cache = config.create_timing_cache(data)
    if cache is None or not config.set_timing_cache(cache, False):  # False: never another GPU's
        config.set_timing_cache(config.create_timing_cache(b""), False)


def save_timing_cache(config: Any, path: Path) -> tuple[str, ...]:
    """Add what the build has timed to the cache at `path`; a note where that cannot be.

    What another process wrote there in the meantime is kept; the file changes by one rename.
    """
    cache = config.get_timing_cache()
    if cache is None:
        return ()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and (theirs := config.create_timing_cache(path.read_bytes())) is not None:
            cache.combine(theirs, False)
        _replace(path, cache.serialize())
    except OSError as error:
        return (f"the timing cache {path} was not written: {error.strerror}",)
    return ()


def _replace(path: Path, data: Any) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
