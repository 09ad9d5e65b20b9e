"""What `trtbuild debug` does: find the first layer of a plan whose numbers depart from ONNX's.

Plans are built again with inner tensors marked as outputs, a handful a build, and each build parts
what is left (`verify.bisect`). The graph is run in fp32 throughout as the truth. Marked tensors
are written, so TensorRT fuses less around them: where nothing departs any more, fewer are marked,
and where one is too many the fusion of what is left is what departs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from trtbuild import device
from trtbuild.accuracy import Accuracy
from trtbuild.artifacts import Comparison, OnnxModel, Plan, Profile, convert_to
from trtbuild.device import visible_only
from trtbuild.engine_from_plan import Loading
from trtbuild.errors import CudaError, PlanError, UsageError
from trtbuild.locked import locked_version
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.repository.lock import Lock
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import options_of_stages
from trtbuild.steps import Run
from trtbuild.verification import portable_of, unchanged
from trtbuild.verify.bisect import Candidate, Search
from trtbuild.verify.points import Point
from trtbuild.workers.pool import OnProgress

BUILDS = 10
MARKS = 8  # a build: more would part the graph faster and change it more
# Of a conversion's options: what model.onnx has behind it, or what makes no plan.
_DONE = {
    "source", "repo", "name", "version", "mode", "kind", "signature", "tags", "inputs", "outputs",
    "input", "opset", "verify", "targets", "plans", "runtime", "max_batch", "min_shapes",
    "opt_shapes", "max_shapes", "workers", "instances", "max_queue_delay_us", "preferred_batch",
    "labels", "warmup", "portable", "keep_layers", "strip_weights",
}  # fmt: skip


class Diagnosis(msgspec.Struct, frozen=True):
    """Where a plan departs, as far as the builds told."""

    source: str
    departs: bool
    builds: int
    first: Comparison | None  # of the first tensor that departs; None: nothing does
    suspects: tuple[Candidate, ...]  # one: it is the layer; several: what was not parted
    fused: bool = False  # it departs only while the suspects are fused: marked, they are right


def debug(
    request: ConvertRequest,
    version: int | None = None,
    builds: int = BUILDS,
    on_progress: OnProgress = lambda _: None,
) -> Diagnosis:
    """Look for the first layer that departs in `request.source`, an ONNX file or a model's folder.

    Of a folder the lock says how its plans were built. Raises a `TrtbuildError` where it cannot be
    built or run on this machine.
    """
    profile: Profile | None = None
    if Path(request.source).is_dir():
        found = locked_version(Path(request.source), version)
        asked = request_of(found.lock, portable_of(found))
        request = msgspec.structs.replace(asked, plugins=request.plugins)
        profile = found.lock.profile
    devices = device.gpus()
    runtime = choose_runtime(request.runtime, devices)
    source = identify(request.source, request.kind)
    options = options_of_stages(request, source.kind)
    if not devices.gpus:
        raise CudaError(
            "a plan is run to be looked at, and this machine has no GPU",
            "run it on a machine with a GPU that the plan is for",
        )
    with Run(source, runtime, options, on_progress) as run:
        exported = run.export()
        model = run.operate(exported).model
        if not isinstance(model, OnnxModel):
            raise UsageError("debug looks into ONNX models; a network that code defines has none")
        profile = profile or profile_from_shapes(model.inputs, options.shapes)
        looks = _Looks(run, runtime, model, profile, builds)
        return looks.diagnosis(request.source)


def request_of(lock: Lock, portable: Path) -> ConvertRequest:
    """How the plans of `lock` were built, from its model.onnx on."""
    kept: dict[str, Any] = {k: v for k, v in lock.options.items() if k not in _DONE}
    if kept.get("refittable") == "identical":  # it changes no kernel
        del kept["refittable"]
    runtime = lock.plans[0].runtime
    whole = {**kept, "source": str(portable), "repo": ".", "kind": "onnx", "runtime": runtime}
    return convert_to(whole, ConvertRequest)  # type: ignore[no-any-return] # it is of that type


class _Looks:
    """The builds of one search."""

    def __init__(
        self, run: Run, runtime: RuntimeInfo, model: OnnxModel, profile: Profile, builds: int
    ) -> None:
        self._run = run
        self._runtime = runtime
        self._model = model
        self._profile = profile
        self._left = builds
        self._builds = 0
        self._gpu = device.gpus().gpus[0]
        accuracy = Accuracy(run, model, unchanged(model), profile)
        self._points: list[Point] = accuracy.points()

    def diagnosis(self, source: str) -> Diagnosis:
        """Search until one suspect is left, or the builds are used up."""
        at_all = self._look([])
        departing = [one for one in at_all if not one.passed]
        if not departing:
            return Diagnosis(source, False, self._builds, None, ())
        self._points = [point for point in self._points if point.name == departing[0].point]
        candidates = self._run.call(
            "trtbuild.verify.debug_run:candidates", list[Candidate], model=self._model.path
        )
        order = [each.tensor for each in candidates]
        failed = {one.tensor: one for one in departing if one.point == departing[0].point}
        search = Search(candidates, min(failed, key=order.index))
        fused = self._part(search, failed)
        return Diagnosis(
            source=source,
            departs=True,
            builds=self._builds,
            first=failed[search.departing],
            suspects=tuple(search.suspects),
            fused=fused,
        )

    def _part(self, search: Search, failed: dict[str, Comparison]) -> bool:
        """Narrow the search; whether it ended because marks made the plan right."""
        count = MARKS
        while self._builds < self._left and (marks := search.marks(count)):
            found = self._look(marks)
            if all(one.passed for one in found):
                if len(marks) == 1:
                    return True
                count = max(1, len(marks) // 2)
                continue
            failed |= {one.tensor: one for one in found if not one.passed}
            search.learn({one.tensor: not one.passed for one in found})
        return False

    def _look(self, marks: list[str]) -> list[Comparison]:
        """Build with `marks` as outputs, and compare all outputs."""
        self._builds += 1
        model = self._model
        if marks:
            model = self._run.call(
                "trtbuild.verify.debug_run:marked",
                OnnxModel,
                model=model.path,
                marks=marks,
                directory=self._run.folder / f"marked-{self._builds}",
            )
        plan = self._plan(model)
        self._run.call(
            "trtbuild.verify.debug_run:run_wide", list[Path], model=model.path, points=self._points
        )
        with self._run.pool.worker(visible_only(self._gpu)) as worker:
            return worker.call(
                "trtbuild.verify.debug_run:look",
                list[Comparison],
                self._run.on_progress,
                plan=plan,
                module=self._runtime.module,
                model=model.path,
                points=self._points,
                options=self._run.options.verify,
                loading=Loading.of(plan, self._run.options.plan.plugins, runs_code=True),
            )

    def _plan(self, model: OnnxModel) -> Plan:
        outcome = self._run.plans(model, (self._gpu.capability,), self._profile, None)
        if not outcome.plans:
            failure = outcome.failures[0]
            raise PlanError(failure.message, failure.hint)
        return outcome.plans[0]
