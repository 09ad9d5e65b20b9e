"""Which compute capabilities a run builds plans for, and what the plan files are called."""

from __future__ import annotations

from collections.abc import Iterable

from trtbuild.capability import Capability, capability_from_text
from trtbuild.device import Devices
from trtbuild.errors import PlanError, UsageError
from trtbuild.plan.runtimes import RuntimeInfo, check_targets

# What people run inference on; 7.5 takes no fp32 matrix products, so it is asked for by name.
WITHOUT_GPU = tuple(Capability(*pair) for pair in ((8, 0), (8, 6), (8, 9), (12, 0)))


def targets_from_texts(
    texts: Iterable[str], runtime: RuntimeInfo, devices: Devices
) -> tuple[Capability, ...]:
    """The targets that `--target` names, ascending, each once.

    A text is a comma list of capabilities (`8.6`, `sm_86`), GPU names (`A10`), `all` (that the
    runtime builds for here) and `current` (the GPUs of this machine). No text: the GPUs of this
    machine, without one 8.0, 8.6, 8.9 and 12.0. Raises `UsageError` for a name that nobody
    knows, `PlanError` for a target that `runtime` cannot build.
    """
    words = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    if not words:
        targets = devices.capabilities or WITHOUT_GPU
    else:
        targets = tuple(t for word in words for t in _targets(word, runtime, devices))
    check_targets(targets := tuple(sorted(set(targets))), runtime)
    return targets


def _targets(word: str, runtime: RuntimeInfo, devices: Devices) -> tuple[Capability, ...]:
    if word.lower() == "all":
        return runtime.capabilities
    if word.lower() != "current":
        return (capability_from_text(word),)
    if devices.capabilities:
        return devices.capabilities
    why = f": {devices.problem}" if devices.problem else ""
    raise PlanError(
        f"--target current: this machine has no GPU that can be used{why}",
        "name the compute capability of the GPU that will run the plan, for example --target 8.6",
    )


def targets_from_capability_list(text: str) -> tuple[Capability, ...]:
    """Read `7.5, 8.0`, as `PlanError.blamed` has it."""
    return tuple(capability_from_text(word) for word in text.split(",") if word.strip())


def plan_file_name(targets: tuple[Capability, ...]) -> str:
    """`model.sm86.plan`, `model.sm80-sm86-sm89.plan`.

    A file is named by all that it was built for, so plans added to a version later never clash
    with those that are there. `model.plan` is not used: Triton loads a file of that name on a
    GPU that no key of `cc_model_filenames` names, in silence.
    """
    if not targets:
        raise UsageError("a plan is built for at least one compute capability")
    return f"model.{'-'.join(f'sm{t.major}{t.minor}' for t in targets)}.plan"
