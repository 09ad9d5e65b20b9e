"""Stage 4 of a run: source framework against ONNX, and ONNX against plans where a GPU is there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from trtbuild.artifacts import (
    Comparison,
    Model,
    OnnxModel,
    Plan,
    Profile,
    SurgeryResult,
    VerifyReport,
)
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu, visible_only
from trtbuild.engine_from_plan import Loading
from trtbuild.errors import SourceError
from trtbuild.network_model import NetworkModel
from trtbuild.plan.refit import RefittedPlan
from trtbuild.sources import PACKAGES
from trtbuild.steps import ONNX_PACKAGES, Run, stage_key
from trtbuild.verify.options import Precision
from trtbuild.verify.points import Point

_OTHER_VALUES = (
    "give inputs that it takes, --samples FILE.npz, or make a constant of one, --bind NAME=VALUE; "
    "--no-verify builds without comparing"
)
_NAME_IT = "name what it has to give: --reference FILE.py:FUNCTION or --samples FILE.npz"


@dataclass(frozen=True)
class Accuracy:
    """What is compared in one run."""

    run: Run
    exported: Model
    surgery: SurgeryResult
    profile: Profile
    profiles: tuple[Profile, ...] = ()  # that `profile` is the envelope of; (): itself alone
    trusted: bool = True  # the plans were built here: the code in version-compatible ones may run
    made: list[Point] = field(default_factory=list)  # the points, once they are

    def of_graphs(self) -> VerifyReport:
        """Source framework against ONNX, with the very object that was exported."""
        source, options, surgery = self.run.source, self.run.options, self.surgery
        if isinstance(surgery.model, NetworkModel):
            return VerifyReport((), {} if self._given() else {"network": self._no_graph()})
        determines = {
            "source": source.digest,
            "exported": self.exported.digest,
            "final": surgery.model.digest,
            "reference": surgery.reference and surgery.reference.digest,
            "names": (surgery.input_names, surgery.output_names),
            "profile": self.profiles if len(self.profiles) > 1 else self.profile,
            # A reference is what plans are compared with. Samples: see below.
            "options": (options.source, replace(options.verify, samples=None, reference=None)),
        }
        packages = (*PACKAGES[source.kind], *ONNX_PACKAGES)
        # What a user's samples hold is in no digest.
        known = source.digest and not options.verify.samples
        key = stage_key("verify", determines, packages) if known else None
        return self.run.cached("verify", key, VerifyReport, lambda _: self._compare_graphs())

    def _compare_graphs(self) -> VerifyReport:
        if why := self._no_graph():
            return VerifyReport((), {f"{self.run.source.kind} vs ONNX": why})
        points = self.points()
        outputs, no_source = self._references(points)
        return self.run.call(
            "trtbuild.verify.onnx_run:compare_graphs",
            VerifyReport,
            kind=self.run.source.kind,
            result=self.surgery,
            points=points,
            outputs=outputs,
            no_source=no_source,
            options=self.run.options.verify,
        )

    def of_plans(
        self,
        plans: tuple[Plan, ...],
        devices: Devices,
        precision: Precision | None = None,
        *,
        known: bool = False,
    ) -> VerifyReport:
        """Each plan against ONNX, on the GPUs that are here. What has none is said.

        `precision`: what the plans compute in, where that is coarser than the graph's own; `known`:
        what the store has of the same plan on the same kind of GPU will do.
        """
        targets = [(target, plan) for plan in plans for target in plan.targets]
        here = {gpu.capability: gpu for gpu in reversed(devices.gpus)}
        not_run = {
            f"plan {target}": f"not run: no GPU of {target}"
            for target, _ in targets
            if target not in here
        }
        comparisons: list[Comparison] = []
        runnable = [(plan, here[target]) for target, plan in targets if target in here]
        if runnable and (why := self._no_graph()) and not self._given():
            not_run |= {f"plan {target}": why for target, _ in targets if target in here}
        elif runnable:
            expected = cache(self._expected)
            for plan, gpu in runnable:
                report = self._of_plan(plan, gpu, expected, precision, known=known)
                comparisons += report.comparisons
        return VerifyReport(tuple(comparisons), not_run)

    def _of_plan(
        self,
        plan: Plan,
        gpu: Gpu,
        expected: Callable[[], tuple[list[Point], str]],
        precision: Precision | None,
        *,
        known: bool,
    ) -> VerifyReport:
        def make(_directory: Path | None = None) -> VerifyReport:
            points, against = expected()
            return VerifyReport(
                tuple(self._compare_plan(plan, gpu, points, against, precision)), {}
            )

        if not known:
            return make()
        determines = {
            "plan": plan.digest,
            "stripped": plan.stripped,
            "runtime": (plan.runtime, plan.runtime_version),
            "gpu": (gpu.name, gpu.capability),
            "exported": self.exported.digest,
            "final": self.surgery.model.digest,
            "names": (self.surgery.input_names, self.surgery.output_names),
            "profiles": self.profiles or (self.profile,),
            "precision": precision,
            "options": self.run.options.verify,
            "plugins": [each.digest for each in self.run.options.plan.plugins],
        }
        # What the user's function gives, or a file of samples holds, no digest knows.
        own = self._given() or isinstance(self.surgery.model, NetworkModel)
        key = None if own else stage_key("verify plan", determines, ONNX_PACKAGES)
        return self.run.cached(f"verify {gpu.capability}", key, VerifyReport, make)

    def load_runner(self, targets: tuple[Capability, ...], devices: Devices) -> None:
        """Have a worker load TensorRT for the first comparison of a plan, while plans are built."""
        here = [gpu for gpu in devices.gpus if gpu.capability in targets]
        if here and self.run.runtime is not None:
            self.run.warm_runner(visible_only(here[0]))

    def _given(self) -> bool:
        """The user names what plans are compared with."""
        options = self.run.options.verify
        return bool(options.reference or options.samples)

    def _expected(self) -> tuple[list[Point], str]:
        """Points with the outputs that plans have to give, and whose outputs they are."""
        options = self.run.options.verify
        usual = {
            "model": self.surgery.model,
            "profiles": self.profiles or (self.profile,),
            "directory": self.run.folder,
        }
        if options.samples and (self._no_graph() or self._samples_have_outputs()):
            function = "trtbuild.verify.references:sample_points"
            return self.run.call(function, list[Point], samples=options.samples, **usual), "samples"
        if options.reference:
            assert self.run.runtime is not None
            with self.run.pool.worker() as worker:  # of its own: TensorRT comes with a network
                points = worker.call(
                    "trtbuild.verify.references:reference_points",
                    list[Point],
                    self.run.on_progress,
                    options=options,
                    module=self.run.runtime.module,
                    **usual,
                )
            return points, "reference"
        points = self.points()
        lacking = [point for point in points if not point.outputs.exists()]
        if lacking:  # the graphs' own comparison came from the store
            self.run.call(
                "trtbuild.verify.onnx_run:run_final",
                list[Path],
                result=self.surgery,
                points=lacking,
            )
        return points, "ONNX"

    def _samples_have_outputs(self) -> bool:
        """What plans have to give is in the user's files; else ONNX Runtime says it."""
        return self.run.call(
            "trtbuild.verify.sample_files:have_outputs",
            bool,
            samples=self.run.options.verify.samples,
            outputs=[spec.name for spec in self.surgery.model.outputs],
        )

    def _compare_plan(
        self,
        plan: Plan,
        gpu: Gpu,
        points: list[Point],
        against: str,
        precision: Precision | None,
    ) -> list[Comparison]:
        assert self.run.runtime is not None
        model = self.surgery.model
        module = self.run.runtime.module
        if plan.stripped:
            plan = self._with_weights(plan, gpu)
        with self.run.runner(visible_only(gpu)) as worker:
            return worker.call(
                "trtbuild.verify.plan_run:compare_plan",
                list[Comparison],
                self.run.on_progress,
                plan=plan,
                module=module,
                model=None if isinstance(model, NetworkModel) else model.path,
                against=against,
                points=points,
                options=self.run.options.verify,
                label=str(gpu.capability),
                precision=model.precision if isinstance(model, NetworkModel) else precision,
                loading=self._loading(plan),
            )

    def _loading(self, plan: Plan) -> Loading:
        runs_code = self.trusted and bool(plan.version_compatible)
        return Loading.of(plan, self.run.options.plan.plugins, runs_code=runs_code)

    def _no_graph(self) -> str:
        """Why no ONNX graph of this run can be run, "" where they can."""
        model = self.surgery.model
        if isinstance(model, NetworkModel):
            return f"not run: there is nothing to compare a network with; {_NAME_IT}"
        # Ops that ONNX does not define are plugins, those that TensorRT brings among them.
        ops, _ = self.run.store.cached(
            "custom-ops",
            stage_key("custom ops", {"onnx": model.digest}, ONNX_PACKAGES),
            list[str],
            lambda _: self.run.call(
                "trtbuild.verify.custom_ops:lacking", list[str], path=model.path
            ),
        )
        return f"not run: ONNX Runtime has no {', '.join(ops)}; {_NAME_IT}" if ops else ""

    def _with_weights(self, plan: Plan, gpu: Gpu) -> Plan:
        """A stripped plan as `trtbuild refit` makes it of the graph it was built from."""
        model = self.surgery.model
        assert isinstance(model, OnnxModel), "a network's weights are not stripped"
        output = self.run.folder / f"{plan.file}-with-weights"
        with self.run.pool.worker(visible_only(gpu)) as worker:
            worker.call(
                "trtbuild.plan.refit:refit",
                RefittedPlan,
                self.run.on_progress,
                runtime=self.run.runtime,
                plan=plan.path,
                onnx=model.path,
                output=output,
                loading=self._loading(plan),
            )
        return replace(plan, directory=output.parent, file=output.name, stripped=False)

    def points(self) -> list[Point]:
        """Seeded inputs for each set of shapes, made once."""
        if not self.made:
            found = self.run.call(
                "trtbuild.verify.inputs:make_inputs",
                list[Point],
                exported=self.exported,
                result=self.surgery,
                profile=self.profile,
                profiles=self.profiles,
                seed=self.run.options.verify.seed,
                directory=self.run.folder,
                samples=self.run.options.verify.samples,
            )
            self.made.extend(found)
        return self.made

    def _references(self, points: list[Point]) -> tuple[dict[str, list[Path]], str]:
        """The source's outputs by point, or why there are none.

        TensorRT takes ops and data types that ONNX Runtime has no CPU kernel for, so an ONNX
        source that cannot be run is no fault of the model; for a framework's own model it is.
        """
        try:
            return {point.name: self._reference(point) for point in points}, ""
        except SourceError as error:
            if self.run.source.kind != "onnx":
                raise SourceError(error.message, error.hint or _OTHER_VALUES) from error
            return {}, error.message

    def _reference(self, point: Point) -> list[Path]:
        """The source framework's outputs for each part of `point`; points may share parts."""
        outputs = [part.with_name(f"{part.name}-outputs") for part in point.parts]
        for part, path in zip(point.parts, outputs, strict=True):
            if not path.exists():
                self.run.call(
                    "trtbuild.sources.session:run",
                    list[str],
                    ref=self.run.source,
                    options=self.run.options.source,
                    inputs=part,
                    outputs=path,
                )
        return outputs
