"""Plans for all targets of a run: cached, shared where that can be, each target failing alone.

TensorRT for RTX puts several targets into one plan file, and refuses the whole file for what one
of them cannot do. So the shared plan comes first. When it is refused, the targets that TensorRT
blames (all of them where it blames none) are built one by one, and what is left is shared again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from trtbuild.artifacts import Model, Plan, PlanOutcome, Profile, Progress, TargetFailure
from trtbuild.capability import Capability
from trtbuild.device import visible_only
from trtbuild.errors import (
    MissingPackageError,
    PlanError,
    StoreError,
    TrtbuildError,
    UsageError,
    WorkerDiedError,
)
from trtbuild.network_model import NetworkModel
from trtbuild.plan.explain import Examination, explained
from trtbuild.plan.interface import check_types
from trtbuild.plan.options import PlanOptions, PlanSpec, check_options, plan_key
from trtbuild.plan.runtimes import TENSORRT, RuntimeInfo, check_targets
from trtbuild.plan.targets import targets_from_capability_list
from trtbuild.plan.timing_cache import timing_cache_path
from trtbuild.store import Store
from trtbuild.workers.pool import OnProgress, Pool, WorkerBugError
from trtbuild.workers.sandbox import Sandbox
from trtbuild.workers.warm import WarmWorker

Targets = tuple[Capability, ...]


def plans_from_onnx(
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
    warm: WarmWorker | None = None,
    on_build: Callable[[], None] = lambda: None,
    sandbox: Sandbox | None = None,
    profiles: tuple[Profile, ...] = (),
) -> PlanOutcome:
    """Build, or take from the store, the plans for `targets`; each target fails alone.

    At most `workers` processes build at the same time; `on_progress` is called from their
    threads, with the target as the work. `warm` is a worker that has TensorRT loaded already;
    `on_build` is called when a plan is not in the store, before it is built. `sandbox`: what the
    workers may touch, None: everything.
    `profiles` are those that `profile` is the envelope of, where there are several.
    Raises `PlanError` or `UsageError` for what is wrong for every target: the profile, the
    options, data types of inputs and outputs that TensorRT lacks.
    """
    spec = PlanSpec(
        model, profile, options, tuple(sorted(set(targets))), runtime, profiles=profiles
    )
    builds = Builds(
        spec, store=store, pool=pool, workers=workers, on_progress=on_progress, warm=warm,
        on_build=on_build, sandbox=sandbox,
    )  # fmt: skip
    outcome = builds.outcome()
    refused = builds.refused(outcome)
    if not refused:
        return outcome
    examination = builds.examine(refused)
    failures = tuple(
        explained(failure, examination.refused.get(str(failure.target), ()))
        for failure in outcome.failures
    )
    return PlanOutcome(outcome.plans, failures)


class Builds:
    """The builds of one run. Use `plans_from_onnx`, or `trtbuild.plan.check`."""

    def __init__(
        self,
        spec: PlanSpec,
        *,
        store: Store,
        pool: Pool,
        workers: int,
        on_progress: OnProgress,
        warm: WarmWorker | None = None,
        on_build: Callable[[], None] = lambda: None,
        sandbox: Sandbox | None = None,
    ) -> None:
        check_targets(spec.targets, spec.runtime)
        check_options(spec.options, spec.runtime, spec.targets)
        check_types(spec.model)
        self.spec = spec
        self._store = store
        self._pool = pool
        self._workers = workers
        self._on_progress = on_progress
        self._warm, self._on_build = warm, on_build
        self._sandbox = sandbox
        self._refused: set[Capability] = set()  # by TensorRT, not by a fault of a worker

    def outcome(self) -> PlanOutcome:
        """Every target in a plan or a failure, in the order of the targets."""
        for target in self.spec.targets:
            self._tell((target,), "waiting")
        if self.spec.options.sharing == "shared" and self.spec.runtime.shares_plans:
            found = self._shared(self.spec.targets)
        else:
            found = self._one_by_one(self.spec.targets)
        return PlanOutcome(
            tuple(sorted(found.plans, key=lambda plan: plan.targets)),
            tuple(sorted(found.failures, key=lambda failure: failure.target)),
        )

    def refused(self, outcome: PlanOutcome) -> Targets:
        """The failed targets for which TensorRT refused the network."""
        return tuple(f.target for f in outcome.failures if f.target in self._refused)

    def examine(self, targets: Targets, *, bisect: bool = False) -> Examination:
        """Ask TensorRT which ops it refuses for `targets`; nothing found where that fails."""
        # Where a GPU answers, each target has to be asked on its own.
        groups = [(t,) for t in targets] if self.spec.runtime.gpus and targets else [targets]
        parts = [self._examine(group, bisect) for group in groups]
        refused = {target: found for part in parts for target, found in part.refused.items()}
        return Examination(parts[0].used, refused, parts[0].unknown)

    def _examine(self, targets: Targets, bisect: bool) -> Examination:
        spec = msgspec.structs.replace(self.spec, targets=targets)
        if isinstance(spec.model, NetworkModel):
            return Examination((), {})  # there is no ONNX graph to cut ops out of
        try:
            environment = build_environment(spec.runtime, spec.targets)
            with self._pool.worker(environment, sandbox=self._sandbox) as worker:
                return worker.call(
                    "trtbuild.plan.probe:examine",
                    Examination,
                    lambda progress: self._pass_on(targets, progress),
                    spec=spec,
                    bisect=bisect,
                )
        except (WorkerDiedError, WorkerBugError):
            # A crash of TensorRT, or a graph that onnx itself stumbles over: the failures keep
            # TensorRT's words, and plans that were built are not lost for want of an explanation.
            return Examination((), {})
        finally:
            self._tell(targets, "failed")

    def _shared(self, targets: Targets) -> PlanOutcome:
        """One plan for `targets`, without those that fail."""
        if len(targets) < 2:
            return self._one_by_one(targets)
        started = time.monotonic()
        try:
            return PlanOutcome((self._plan(targets),), ())
        except TrtbuildError as error:
            if _holds_for_all(error):
                raise
            if isinstance(error, PlanError) and error.refused_by == "parser":
                seconds = time.monotonic() - started
                return PlanOutcome((), tuple(self._failure(t, error, seconds) for t in targets))
            blamed = _blamed(error, targets)
        alone = self._one_by_one(blamed)
        left = tuple(t for t in targets if t not in {f.target for f in alone.failures})
        if alone.failures:
            rest = self._shared(left) if left else PlanOutcome((), ())
            return PlanOutcome(rest.plans, rest.failures + alone.failures)
        # Each builds alone and yet not together: no plan of theirs can be shared.
        rest = self._one_by_one(tuple(target for target in targets if target not in blamed))
        return PlanOutcome(alone.plans + rest.plans, rest.failures)

    def _one_by_one(self, targets: Targets) -> PlanOutcome:
        threads = ThreadPoolExecutor(max(1, min(self._workers, len(targets))))
        try:
            results = [threads.submit(self._alone, target) for target in targets]
            made = [result.result() for result in results]
        finally:
            # Not waited for: on ctrl-C the pool ends the workers, and with them the threads.
            threads.shutdown(wait=False, cancel_futures=True)
        return PlanOutcome(
            tuple(plan for plan in made if isinstance(plan, Plan)),
            tuple(failure for failure in made if isinstance(failure, TargetFailure)),
        )

    def _alone(self, target: Capability) -> Plan | TargetFailure:
        started = time.monotonic()
        try:
            return self._plan((target,))
        except TrtbuildError as error:
            if _holds_for_all(error):
                raise
            return self._failure(target, error, time.monotonic() - started)

    def _failure(self, target: Capability, error: TrtbuildError, seconds: float) -> TargetFailure:
        self._tell((target,), "failed")
        op = dtype = ""
        if isinstance(error, PlanError):
            op, dtype = error.op, error.dtype
            if error.refused_by in ("parser", "builder"):
                self._refused.add(target)
        return TargetFailure(target, error.message, op, dtype, error.hint, round(seconds, 3))

    def _plan(self, targets: Targets) -> Plan:
        """One plan for all of `targets`, from the store or built now."""
        spec = self._spec_for(targets)
        # What the code of a network imports is in no digest: it is built every time.
        key = None if isinstance(spec.model, NetworkModel) else plan_key(spec)
        plan, hit = self._store.cached(
            "plan", key, Plan, lambda directory: self._build(spec, directory)
        )
        self._tell(targets, "from the cache" if hit else "built", 1, 1)
        return msgspec.structs.replace(plan, cached=hit)

    def _spec_for(self, targets: Targets) -> PlanSpec:
        kept = None
        if self.spec.runtime.name == TENSORRT and self.spec.options.timing_cache is None:
            kept = timing_cache_path(self._store.folder(), self.spec.runtime, targets[0])
        return msgspec.structs.replace(self.spec, targets=targets, kept_cache=kept)

    def _build(self, spec: PlanSpec, directory: Path) -> Plan:
        self._tell(spec.targets, "building")
        environment = build_environment(spec.runtime, spec.targets)
        self._on_build()
        warm = self._warm.take(environment) if self._warm is not None else None
        with self._pool.worker(environment, warm, self._sandbox) as worker:
            return worker.call(
                "trtbuild.plan.build:plan",
                Plan,
                lambda progress: self._pass_on(spec.targets, progress),
                spec=spec,
                directory=directory,
            )

    def _pass_on(self, targets: Targets, progress: Progress) -> None:
        self._tell(targets, progress.phase, progress.done, progress.total)

    def _tell(self, targets: Targets, phase: str, done: int = 0, total: int = 0) -> None:
        for target in targets:
            self._on_progress(Progress(str(target), phase, done, total))


def build_environment(runtime: RuntimeInfo, targets: Targets) -> dict[str, str]:
    """What a worker needs to build on the right GPU, where the runtime needs one."""
    for gpu in runtime.gpus:
        if gpu.capability in targets[:1]:
            return visible_only(gpu)
    return {}


def _holds_for_all(error: TrtbuildError) -> bool:
    """It would be the same for every target: the profile, a full disk, a missing package."""
    if isinstance(error, PlanError):
        return not error.refused_by
    return isinstance(error, MissingPackageError | StoreError | UsageError)


def _blamed(error: TrtbuildError, targets: Targets) -> Targets:
    """The targets that TensorRT names; all where it names none, or its process died."""
    named = targets_from_capability_list(error.blamed) if isinstance(error, PlanError) else ()
    return tuple(target for target in targets if target in named) or targets
