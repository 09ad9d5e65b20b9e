"""Builds of whole runs, and what was told meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trtbuild.artifacts import OnnxModel, PlanOutcome, Progress
from trtbuild.capability import Capability
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.plans import plans_from_onnx
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.store import Store
from trtbuild.workers.pool import Pool, Worker
from trtbuild.workers.sandbox import Sandbox
from trtbuild.workers.warm import WarmWorker

FLEET = tuple(Capability(*pair) for pair in ((8, 0), (8, 6), (8, 9)))
ALONE = PlanOptions(sharing="per-target")


class Run:
    """Builds for one test, and what was told meanwhile."""

    def __init__(self, runtime: RuntimeInfo, store: Store, pool: WatchedPool) -> None:
        self.runtime = runtime
        self.store = store
        self.pool = pool
        self.told: list[Progress] = []
        self.on_progress: Callable[[Progress], None] = self.told.append

    def __call__(
        self,
        model: OnnxModel,
        targets: tuple[Capability, ...] = FLEET,
        options: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
        **more: Any,
    ) -> PlanOutcome:
        return plans_from_onnx(
            model,
            targets,
            more.pop("profile", None) or profile_from_shapes(model.inputs),
            options,
            more.pop("runtime", self.runtime),
            store=self.store,
            pool=self.pool,
            on_progress=self.on_progress,
            **more,
        )


def covered(outcome: PlanOutcome) -> list[tuple[str, ...]]:
    return [tuple(map(str, plan.targets)) for plan in outcome.plans]


def warm_builder(run: Run) -> WarmWorker:
    return WarmWorker(run.pool, {}, "trtbuild.plan.build:warm_up", runtime=run.runtime)


class WatchedPool(Pool):
    """A pool that remembers what it started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Worker] = []
        self.environments: list[dict[str, str]] = []

    def start(
        self, environment: dict[str, str] | None = None, sandbox: Sandbox | None = None
    ) -> Worker:
        self.environments.append(environment or {})
        self.started.append(worker := super().start(environment, sandbox))
        return worker
