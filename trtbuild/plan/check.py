"""The pre-flight: what each target takes and refuses of a model, asked of TensorRT itself.

The whole model is built for every target; plans that come of it stay in the store, so that a
conversion afterwards finds them. For targets that refuse it, each kind of op is built alone.
"""

from __future__ import annotations

from trtbuild.artifacts import Model, PlanOutcome, Profile
from trtbuild.check_report import CheckReport, OpRefusal, OpUse, TargetCheck
from trtbuild.plan.explain import Examination, explained
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.plans import Builds, Targets
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.store import Store
from trtbuild.workers.pool import OnProgress, Pool
from trtbuild.workers.sandbox import Sandbox


def check(
    model: Model,
    targets: Targets,
    profile: Profile,
    options: PlanOptions,
    runtime: RuntimeInfo,
    *,
    store: Store,
    pool: Pool,
    workers: int = 1,
    on_progress: OnProgress = lambda _: None,
    sandbox: Sandbox | None = None,
    profiles: tuple[Profile, ...] = (),
) -> CheckReport:
    """What each of `targets` makes of `model`. Raises as `plans_from_onnx` does."""
    spec = PlanSpec(
        model, profile, options, tuple(sorted(set(targets))), runtime, profiles=profiles
    )
    builds = Builds(
        spec, store=store, pool=pool, workers=workers, on_progress=on_progress, sandbox=sandbox
    )
    outcome = builds.outcome()
    examination = builds.examine(builds.refused(outcome), bisect=True)
    checks = [*_built(outcome, examination), *_failed(outcome, examination)]
    return CheckReport(
        runtime.name, runtime.version, tuple(sorted(checks, key=lambda one: one.target))
    )


def _built(outcome: PlanOutcome, examination: Examination) -> list[TargetCheck]:
    return [
        TargetCheck(target, True, examination.used, (), seconds=plan.seconds)
        for plan in outcome.plans
        for target in plan.targets
    ]


def _failed(outcome: PlanOutcome, examination: Examination) -> list[TargetCheck]:
    checks = []
    for failure in outcome.failures:
        refused = examination.refused.get(str(failure.target), ())
        told = explained(failure, refused)
        checks.append(
            TargetCheck(
                failure.target,
                False,
                _taken(examination, refused),
                refused,
                examination.unknown,
                told.message,
                told.hint,
                failure.seconds,
            )
        )
    return checks


def _taken(examination: Examination, refused: tuple[OpRefusal, ...]) -> tuple[OpUse, ...]:
    """What the model uses, without what is refused and what could not be asked for."""
    counts = {(use.op, use.dtype): use.count for use in examination.used}
    others = [((use.op, use.dtype), use.count) for use in examination.unknown]
    others += [((refusal.op, refusal.dtype), len(refusal.nodes)) for refusal in refused]
    for key, count in others:
        if key in counts:
            counts[key] -= count
    return tuple(OpUse(op, dtype, count) for (op, dtype), count in counts.items() if count > 0)
