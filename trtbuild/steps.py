"""The stages of one run, each through the store and, on a miss, in a worker process.

One worker process holds the frameworks (export, surgery, the accuracy runs) for the whole run;
it starts at the first miss, so a run whose every result is in the store starts none. Plans are
built by workers of their own, the first of which loads TensorRT while the model is exported.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from trtbuild import __version__
from trtbuild.artifacts import (
    CheckReport,
    Comparison,
    OnnxModel,
    Plan,
    PlanOutcome,
    Profile,
    Progress,
    SourceRef,
    Stage,
    SurgeryResult,
    VerifyReport,
)
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu, visible_only
from trtbuild.errors import SourceError
from trtbuild.plan.check import check
from trtbuild.plan.plans import plans_from_onnx
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.sources import PACKAGES
from trtbuild.stage_options import StageOptions
from trtbuild.store import Store, key_of
from trtbuild.verify.points import Point
from trtbuild.workers.pool import OnProgress, Pool, Worker
from trtbuild.workers.warm import WarmWorker

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
_ONNX_PACKAGES = ("onnx", "onnx-graphsurgeon", "onnxruntime")


class Run:
    """A `with` block around one run: its store, its workers, its clock."""

    def __init__(
        self,
        source: SourceRef,
        runtime: RuntimeInfo | None,  # None: no plans will be built
        options: StageOptions,
        on_progress: OnProgress,
    ) -> None:
        self.store = Store()
        self.stages: list[Stage] = []
        self._source = source
        self._runtime = runtime
        self._options = options
        self._on_progress = on_progress
        self._pool = Pool()
        self._frameworks: Worker | None = None
        self._builder: WarmWorker | None = None
        self._starting = threading.Lock()
        self._ends = ExitStack()

    def __enter__(self) -> Run:
        folder = self._ends.enter_context(tempfile.TemporaryDirectory(prefix="trtbuild-"))
        self._folder = Path(folder)
        self._ends.enter_context(self._pool)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.__exit__(kind, error, trace)

    def export(self) -> OnnxModel:
        """Stage 1. A source that is code is exported every time."""
        source, options = self._source, self._options.source
        determines = {"source": source.digest, "kind": source.kind, "options": options}
        key = source.digest and _key("export", determines, PACKAGES[source.kind])

        def make(directory: Path) -> OnnxModel:
            self._framework_worker()
            if self._runtime is not None:  # a source that is new has no plan in the store either
                self._builder = WarmWorker(
                    self._pool, "trtbuild.plan.build:warm_up", runtime=self._runtime
                )
            return self._call(
                "trtbuild.sources.session:export",
                OnnxModel,
                ref=source,
                options=options,
                directory=directory,
            )

        return self._cached("export", key, OnnxModel, make)

    def operate(self, model: OnnxModel) -> SurgeryResult:
        """Stage 2."""
        options = self._options.surgery
        key = _key("surgery", {"onnx": model.digest, "options": options}, _ONNX_PACKAGES)

        def make(directory: Path) -> SurgeryResult:
            return self._call(
                "trtbuild.surgery.apply:operate",
                SurgeryResult,
                model=model,
                options=options,
                directory=directory,
            )

        return self._cached("surgery", key, SurgeryResult, make)

    def plans(
        self,
        model: OnnxModel,
        targets: tuple[Capability, ...],
        profile: Profile,
        workers: int | None,
    ) -> PlanOutcome:
        """Stage 3, in workers of its own; each plan has its own entry in the store."""
        assert self._runtime is not None
        started = time.monotonic()
        outcome = plans_from_onnx(
            model,
            targets,
            profile,
            self._options.plan,
            self._runtime,
            store=self.store,
            pool=self._pool,
            workers=workers or os.cpu_count() or 1,
            on_progress=self._on_progress,
            warm=self._builder,
        )
        hit = all(plan.cached for plan in outcome.plans) and not outcome.failures
        self.stages.append(Stage("plans", time.monotonic() - started, hit))
        return outcome

    def check(
        self,
        model: OnnxModel,
        targets: tuple[Capability, ...],
        profile: Profile,
        workers: int | None,
    ) -> CheckReport:
        """Instead of stage 3: what each target takes and refuses, and why."""
        assert self._runtime is not None
        return check(
            model,
            targets,
            profile,
            self._options.plan,
            self._runtime,
            store=self.store,
            pool=self._pool,
            workers=workers or os.cpu_count() or 1,
            on_progress=self._on_progress,
        )

    def describe(self, path: Path) -> OnnxModel:
        """An ONNX file as it is."""
        return self._call("trtbuild.onnx_model:describe", OnnxModel, path=path)

    def count_ops(self, model: OnnxModel) -> dict[str, int]:
        """The ops of an ONNX model, counted."""
        return self._call("trtbuild.onnx_ops:count_ops", dict[str, int], path=model.path)

    def verify(self, exported: OnnxModel, result: SurgeryResult, profile: Profile) -> VerifyReport:
        """Stage 4, source framework against ONNX, with the very object that was exported."""
        source = self._source
        determines = {
            "source": source.digest,
            "exported": exported.digest,
            "final": result.model.digest,
            "reference": result.reference and result.reference.digest,
            "names": (result.input_names, result.output_names),
            "profile": profile,
            "options": (self._options.source, self._options.verify),
        }
        packages = (*PACKAGES[source.kind], *_ONNX_PACKAGES)
        key = source.digest and _key("verify", determines, packages)

        def make(_directory: Path) -> VerifyReport:
            points = self._points(exported, result, profile)
            outputs, no_source = self._references(points)
            return self._call(
                "trtbuild.verify.onnx_run:compare_graphs",
                VerifyReport,
                kind=source.kind,
                result=result,
                points=points,
                outputs=outputs,
                no_source=no_source,
                options=self._options.verify,
            )

        return self._cached("verify", key, VerifyReport, make)

    def verify_plans(
        self,
        plans: tuple[Plan, ...],
        exported: OnnxModel,
        result: SurgeryResult,
        profile: Profile,
        devices: Devices,
    ) -> VerifyReport:
        """Stage 4 on the GPUs that are here: each plan against ONNX. What has none is said."""
        targets = [(target, plan) for plan in plans for target in plan.targets]
        here = {gpu.capability: gpu for gpu in reversed(devices.gpus)}
        not_run = {
            f"plan {target}": f"not run: no GPU of {target}"
            for target, _ in targets
            if target not in here
        }
        comparisons: list[Comparison] = []
        runnable = [(target, plan) for target, plan in targets if target in here]
        if runnable:
            points = self._points(exported, result, profile)
            self._call(
                "trtbuild.verify.onnx_run:run_final", list[Path], result=result, points=points
            )
            for target, plan in runnable:
                comparisons += self._compare_plan(plan, here[target], result, points)
        return VerifyReport(tuple(comparisons), not_run)

    def _compare_plan(
        self, plan: Plan, gpu: Gpu, result: SurgeryResult, points: list[Point]
    ) -> list[Comparison]:
        assert self._runtime is not None
        module = self._runtime.module
        with self._pool.worker(visible_only(gpu)) as worker:
            return worker.call(
                "trtbuild.verify.plan_run:compare_plan",
                list[Comparison],
                self._on_progress,
                plan=plan,
                module=module,
                model=result.model.path,
                points=points,
                options=self._options.verify,
                label=str(gpu.capability),
            )

    def _points(self, exported: OnnxModel, result: SurgeryResult, profile: Profile) -> list[Point]:
        return self._call(
            "trtbuild.verify.inputs:make_inputs",
            list[Point],
            exported=exported,
            result=result,
            profile=profile,
            seed=self._options.verify.seed,
            directory=self._folder,
        )

    def _references(self, points: list[Point]) -> tuple[dict[str, list[Path]], str]:
        """The source's outputs by point, or why there are none.

        TensorRT takes ops and data types that ONNX Runtime has no CPU kernel for, so an ONNX
        source that cannot be run is no fault of the model; for a framework's own model it is.
        """
        try:
            return {point.name: self._reference(point) for point in points}, ""
        except SourceError as error:
            if self._source.kind != "onnx":
                raise
            return {}, error.message

    def _reference(self, point: Point) -> list[Path]:
        """The source framework's outputs for each part of `point`; points may share parts."""
        outputs = [part.with_name(f"{part.name}-outputs") for part in point.parts]
        for part, path in zip(point.parts, outputs, strict=True):
            if not path.exists():
                self._call(
                    "trtbuild.sources.session:run",
                    list[str],
                    ref=self._source,
                    options=self._options.source,
                    inputs=part,
                    outputs=path,
                )
        return outputs

    def _cached(self, name: str, key: str | None, type_: type[T], make: Callable[[Path], T]) -> T:
        started = time.monotonic()
        value, hit = self.store.cached(name, key, type_, make)
        self.stages.append(Stage(name, time.monotonic() - started, hit))
        self._on_progress(Progress(name, "from the cache" if hit else "done", 1, 1))
        return value

    def _call(self, function: str, result: type[T], /, **arguments: Any) -> T:
        """Call into the one worker that holds the frameworks."""
        return self._framework_worker().call(function, result, self._on_progress, **arguments)

    def _framework_worker(self) -> Worker:
        with self._starting:
            if self._frameworks is None:
                self._frameworks = self._pool.start()
            return self._frameworks


def together(
    first: Callable[[], A],
    second: Callable[[], B],
    meanwhile: Callable[[], object] = lambda: None,
) -> tuple[A, B]:
    """Both values, made at the same time. The first error is raised at once: leaving the `Run`
    ends the workers that the other one still waits for. This thread does `meanwhile`.
    """
    threads = ThreadPoolExecutor(2)
    try:
        one, other = threads.submit(first), threads.submit(second)
        works: list[Future[Any]] = [one, other]
        meanwhile()
        for work in wait(works, return_when=FIRST_EXCEPTION).done:
            work.result()
        return one.result(), other.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


def _key(stage: str, determines: dict[str, Any], packages: tuple[str, ...]) -> str:
    """The store's key: everything that determines the result, versions of tools included."""
    versions = {"trtbuild": __version__}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue  # the stage itself says what it lacks
    return key_of({"stage": stage, **determines, "versions": versions})
