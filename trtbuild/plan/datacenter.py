"""What only data-centre TensorRT (package `tensorrt`) has, for releases 10 and 11.

- Strong typing is a choice in 10, where precision flags let a weakly typed network use reduced
  precision; 11 has neither the choice nor the flags.
- A plan fits the GPU model it was built on, unless a hardware compatibility level widens that.
- Plans can be made for other releases, and with weights that are given later.

Written from NVIDIA's headers (NvInfer.h 10.16, 11.1) and documents. Members of enums are looked
up by name: their integers moved between 10 and 11.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from trtbuild import device
from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.plan.options import (
    DEFAULT_LEVEL,
    HARDWARE_LEVELS,
    NO_SOURCES,
    REFIT_FLAGS,
    TACTIC_SOURCES,
    VERSION_FLAGS,
    WEAK_FLAGS,
    PlanOptions,
)
from trtbuild.plan.session import Session
from trtbuild.plan.words import refusal_from_log

_FALLBACK = "none"  # the level that can always be built
_REFIT_DROPS_BIAS = "11.3.0"  # NVIDIA, TensorRT 11.3.0, "Refitting an Engine"


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
    """The compatibility levels to try, in order.

    A level that was asked for is the only one. The default can fail where `none` builds, and
    releases before SAME_COMPUTE_CAPABILITY lack it. Raises `PlanError` for a level asked for that
    this release lacks.
    """
    wanted = options.hardware or DEFAULT_LEVEL
    if session.member("HardwareCompatibilityLevel", HARDWARE_LEVELS[wanted]) is None:
        if options.hardware is not None:
            raise _lacks(session, "--hardware-compat", wanted, HARDWARE_LEVELS[wanted])
        return (_FALLBACK,)
    return (wanted,) if options.hardware or wanted == _FALLBACK else (wanted, _FALLBACK)


def configure(session: Session, config: Any, options: PlanOptions, level: str) -> None:
    """Set what only this runtime has on a builder config.

    Raises `PlanError` for what this release has not, or has with a fault.
    """
    for precision in options.weak_precisions:
        config.set_flag(_flag(session, precision))
    for option, value, member in _flags_asked(options):
        flag = session.member("BuilderFlag", member)
        if flag is None:
            raise _lacks(session, option, value, member)
        config.set_flag(flag)
    if options.refit == "any" and session.trt.__version__.startswith(_REFIT_DROPS_BIAS):
        raise PlanError(
            f"{session.name} may lose the bias of a matrix product in plans that take any weights "
            "(NVIDIA's release notes, REFIT)",
            "give --strip-weights --refittable identical, or build with another release",
        )
    if options.tactic_sources:
        _set_tactic_sources(session, config, options.tactic_sources)
    if level != _FALLBACK:
        config.hardware_compatibility_level = session.member(
            "HardwareCompatibilityLevel", HARDWARE_LEVELS[level]
        )


def _flags_asked(options: PlanOptions) -> Iterator[tuple[str, str, str]]:
    """Option, its value, member of BuilderFlag."""
    if options.version_compatible is not None:
        for member in VERSION_FLAGS[options.version_compatible]:
            yield "--version-compatible", options.version_compatible, member
    if options.refit is not None:
        option = "--refittable" if options.refittable else "--strip-weights, --refittable"
        yield option, options.refit, REFIT_FLAGS[options.refit]
    if options.strip_weights:
        yield "--strip-weights", "", "STRIP_PLAN"
    if options.require_timing_cache:
        yield "--require-timing-cache", "", "ERROR_ON_TIMING_CACHE_MISS"


def _set_tactic_sources(session: Session, config: Any, sources: tuple[str, ...]) -> None:
    mask = 0
    for source in sources:
        if source == NO_SOURCES:
            continue
        member = session.member("TacticSource", TACTIC_SOURCES[source])
        if member is None:
            raise _lacks(session, "--tactic-sources", source, TACTIC_SOURCES[source])
        mask |= 1 << int(member)
    if not config.set_tactic_sources(mask):
        raise PlanError(
            f"{session.name} does not take --tactic-sources {','.join(sources)}: "
            f"{refusal_from_log(session.errors).reason}",
            "leave one of them out",
        )


def _lacks(session: Session, option: str, value: str, member: str) -> PlanError:
    """The error for a member of an enum that this release has not."""
    return PlanError(
        f"{f'{option} {value}'.strip()}: {session.name} has no {member}",
        "leave it out, or build with a release that has it: docs/convert.md lists them",
    )


def fallback_note(reason: str) -> str:
    """What to tell the user of a plan that was built at level `none` only."""
    return (
        f"built without hardware compatibility '{DEFAULT_LEVEL}' ({reason}): "
        "the plan fits GPUs of the very model it was built on"
    )


def notes_of(options: PlanOptions) -> tuple[str, ...]:
    """What a user has to know before a plan with these options runs anywhere."""
    notes = []
    if options.version_compatible == "with-lean-runtime":
        notes.append(
            "a version-compatible plan runs code that is in it; Triton loads it with "
            "--backend-config=tensorrt,version-compatible=true only"
        )
    if options.version_compatible == "without-lean-runtime":
        notes.append(
            "a version-compatible plan without a lean runtime: for programs that load one "
            "themselves (IRuntime::loadRuntime); Triton's TensorRT backend does not"
        )
    if options.strip_weights:
        notes.append("it has no weights and runs nowhere until `trtbuild refit` gives it some")
    return tuple(notes)
