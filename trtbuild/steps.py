"""The stages of one run, each through the store and, on a miss, in a worker process. Stage 4 has
a file of its own, `accuracy`.

One worker process holds the frameworks (export, surgery, the accuracy runs) for the whole run;
it starts at the first miss, so a run whose every result is in the store starts none. Plans are
built by workers of their own, the first of which loads TensorRT while the model is exported.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from trtbuild import __version__, sandboxes, temporary
from trtbuild.artifacts import (
    Model,
    OnnxModel,
    PlanOutcome,
    Profile,
    Progress,
    SourceRef,
    Stage,
    SurgeryResult,
)
from trtbuild.cache_folder import default_root
from trtbuild.capability import Capability
from trtbuild.check_report import CheckReport
from trtbuild.network_model import NetworkModel
from trtbuild.plan.check import check
from trtbuild.plan.plans import build_environment, plans_from_onnx
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.sources import NETWORK, PACKAGES
from trtbuild.stage_options import StageOptions
from trtbuild.store import Store, key_of
from trtbuild.workers.pool import OnProgress, Pool, Worker
from trtbuild.workers.sandbox import Sandbox
from trtbuild.workers.warm import WarmWorker

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
ONNX_PACKAGES = ("onnx", "onnx-graphsurgeon", "onnxruntime")


class Run:
    """A `with` block around one run: its store, its workers, its clock."""

    def __init__(
        self,
        source: SourceRef,
        runtime: RuntimeInfo | None,  # None: no plans will be built
        options: StageOptions,
        on_progress: OnProgress,
        targets: tuple[Capability, ...] = (),
    ) -> None:
        """`targets`: those that plans will be built for."""
        self.targets = targets
        self.stages: list[Stage] = []
        self.source = source
        self.runtime = runtime
        self.options = options
        self.on_progress = on_progress
        self.pool = Pool()
        self._frameworks: Worker | None = None
        self._builder: WarmWorker | None = None
        self._runner: WarmWorker | None = None
        self._starting = threading.Lock()
        self._ends = ExitStack()

    def __enter__(self) -> Run:
        temporary.choose(default_root())
        folder = self._ends.enter_context(tempfile.TemporaryDirectory(prefix="trtbuild-"))
        self.folder = Path(folder)
        self.store = self._ends.enter_context(Store(spare=self.folder / "cache"))
        staging = None
        with contextlib.suppress(OSError):  # a store that cannot be written says so when it is used
            staging = self._ends.enter_context(self.store.staging())
        self._folders = sandboxes.Folders(self.store.root, staging, self.folder)
        self._ends.enter_context(self.pool)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.__exit__(kind, error, trace)

    def export(self) -> Model:
        """Stage 1: a model as ONNX, or the network that a function defines."""
        return self._define() if self.source.kind == NETWORK else self._export()

    def _define(self) -> NetworkModel:
        """A network is defined by the runtime that it is built with: once here to know it."""
        assert self.runtime is not None
        started = time.monotonic()
        with self.pool.worker() as worker:
            model = worker.call(
                "trtbuild.plan.define:describe",
                NetworkModel,
                self.on_progress,
                location=self.source.location,
                weights=self.options.source.weights,
                runtime=self.runtime,
                plugins=self.options.plan.plugins,
                directory=self.folder,
            )
        self.stages.append(Stage("define", time.monotonic() - started, cached=False))
        return model

    def _export(self) -> OnnxModel:
        """Stage 1. A source that is code is exported every time."""
        source, options = self.source, self.options.source
        determines = {"source": source.digest, "kind": source.kind, "options": options}
        key = source.digest and stage_key("export", determines, PACKAGES[source.kind])

        def make(directory: Path) -> OnnxModel:
            self._framework_worker()
            if self.runtime is not None:  # a source that is new has no plan in the store either
                self._builder = WarmWorker(
                    self.pool,
                    build_environment(self.runtime, self.targets),
                    "trtbuild.plan.build:warm_up",
                    sandbox=self._sandbox_of_builds(),
                    runtime=self.runtime,
                )
            return self.call(
                "trtbuild.sources.session:export",
                OnnxModel,
                ref=source,
                options=options,
                directory=directory,
            )

        return self.cached("export", key, OnnxModel, make)

    def operate(self, model: Model) -> SurgeryResult:
        """Stage 2; a network that code defines is left as it is."""
        if isinstance(model, NetworkModel):
            inputs = {spec.name: spec.name for spec in model.inputs}
            return SurgeryResult(model, None, (), inputs, {o.name: o.name for o in model.outputs})
        options = self.options.surgery
        key = stage_key("surgery", {"onnx": model.digest, "options": options}, ONNX_PACKAGES)

        def make(directory: Path) -> SurgeryResult:
            return self.call(
                "trtbuild.surgery.apply:operate",
                SurgeryResult,
                model=model,
                options=options,
                directory=directory,
            )

        return self.cached("surgery", key, SurgeryResult, make)

    def plans(
        self,
        model: Model,
        targets: tuple[Capability, ...],
        profile: Profile,
        workers: int | None,
        *,
        profiles: tuple[Profile, ...] = (),
        on_build: Callable[[], None] = lambda: None,
    ) -> PlanOutcome:
        """Stage 3, in workers of its own; each plan has its own entry in the store.

        `profiles`: those that `profile` is the envelope of, where there are several; `on_build`:
        called before a plan that the store has not.
        """
        assert self.runtime is not None
        started = time.monotonic()
        outcome = plans_from_onnx(
            model,
            targets,
            profile,
            self.options.plan,
            self.runtime,
            store=self.store,
            pool=self.pool,
            workers=workers or os.cpu_count() or 1,
            on_progress=self.on_progress,
            warm=self._builder,
            on_build=on_build,
            sandbox=self._sandbox_of_builds(),
            profiles=profiles,
        )
        hit = all(plan.cached for plan in outcome.plans) and not outcome.failures
        self.stages.append(Stage("plans", time.monotonic() - started, hit))
        return outcome

    def check(
        self,
        model: Model,
        targets: tuple[Capability, ...],
        profile: Profile,
        workers: int | None,
        *,
        profiles: tuple[Profile, ...] = (),
    ) -> CheckReport:
        """Instead of stage 3: what each target takes and refuses, and why."""
        assert self.runtime is not None
        return check(
            model,
            targets,
            profile,
            self.options.plan,
            self.runtime,
            store=self.store,
            pool=self.pool,
            workers=workers or os.cpu_count() or 1,
            on_progress=self.on_progress,
            sandbox=self._sandbox_of_builds(),
            profiles=profiles,
        )

    def warm_runner(self, environment: dict[str, str]) -> None:
        """Load the runtime where a plan will be run, in a process that sees its GPU alone."""
        with self._starting:
            if self._runner is None and self.runtime is not None:
                self._runner = WarmWorker(
                    self.pool,
                    environment,
                    "trtbuild.verify.plan_run:warm_up",
                    module=self.runtime.module,
                )

    @contextlib.contextmanager
    def runner(self, environment: dict[str, str]) -> Iterator[Worker]:
        """A worker for one plan, to be run on the GPU that `environment` shows."""
        warm = self._runner.take(environment) if self._runner is not None else None
        with self.pool.worker(environment, warm) as worker:
            worker.limit_s = self.options.step_limit_s
            yield worker

    def describe(self, path: Path) -> OnnxModel:
        """An ONNX file as it is."""
        return self.call("trtbuild.onnx_model:describe", OnnxModel, path=path)

    def count_ops(self, model: OnnxModel) -> dict[str, int]:
        """The ops of an ONNX model, counted."""
        return self.call("trtbuild.onnx_ops:count_ops", dict[str, int], path=model.path)

    def cached(self, name: str, key: str | None, type_: type[T], make: Callable[[Path], T]) -> T:
        """A stage's result from the store, or made now; noted with its time."""
        started = time.monotonic()
        value, hit = self.store.cached(name, key, type_, make)
        self.stages.append(Stage(name, time.monotonic() - started, hit))
        self.on_progress(Progress(name, "from the cache" if hit else "done", 1, 1))
        return value

    def call(self, function: str, result: type[T], /, **arguments: Any) -> T:
        """Call into the one worker that holds the frameworks."""
        return self._framework_worker().call(function, result, self.on_progress, **arguments)

    def _framework_worker(self) -> Worker:
        with self._starting:
            if self._frameworks is None:
                sandbox = sandboxes.of_frameworks(self.source, self.options, self._folders)
                self._frameworks = self.pool.start(sandbox=sandbox)
                self._frameworks.limit_s = self.options.step_limit_s
            return self._frameworks

    def _sandbox_of_builds(self) -> Sandbox | None:
        assert self.runtime is not None
        return sandboxes.of_builds(self.source, self.runtime, self.options, self._folders)


def together(
    first: Callable[[], A],
    second: Callable[[], B],
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[A, B]:
    """Both values, made at the same time as `meanwhile`. The first error is raised at once: leaving
    the `Run` ends the workers that the other one still waits for.

    This thread does nothing but wait. Signals are its own, and what their handlers raise gets lost
    where it happens to be in a callback of Python's: amid an import, once in a hundred times.
    """
    threads = ThreadPoolExecutor(3)
    try:
        one, other = threads.submit(first), threads.submit(second)
        works: list[Future[Any]] = [one, other, threads.submit(meanwhile)]
        for work in wait(works, return_when=FIRST_EXCEPTION).done:
            work.result()
        return one.result(), other.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def stage_key(stage: str, determines: dict[str, Any], packages: tuple[str, ...]) -> str:
    """The store's key: everything that determines the result, versions of tools included."""
    versions = {"trtbuild": __version__}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # the stage itself says what it lacks
    return key_of({"stage": stage, **determines, "versions": versions})
