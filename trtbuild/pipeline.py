"""The model's way: sources -> surgery -> plan and verify -> modelconfig -> repository."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from trtbuild import device, temporary
from trtbuild.accuracy import Accuracy
from trtbuild.artifacts import Conversion, OnnxModel, PlanOutcome, VerifyReport
from trtbuild.cache_folder import default_root
from trtbuild.content import Results, check_config, content_of, with_graphs_of_config
from trtbuild.errors import PlanError
from trtbuild.plan.capture import check_capturable
from trtbuild.plan.layers import left_in_fp32
from trtbuild.plan.profiles import envelope, profiles_from_shapes
from trtbuild.plan.runtimes import TENSORRT, choose_runtime
from trtbuild.plan.targets import targets_from_texts
from trtbuild.repository.destination import check_destination
from trtbuild.repository.write import write_version
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import kind_of, options_of_stages
from trtbuild.steps import Run, together
from trtbuild.verify.options import precision_of_weak
from trtbuild.verify.report import gate
from trtbuild.workers.pool import OnProgress

NOT_ASKED = VerifyReport((), {"everything": "not run: --no-verify"})


def convert(request: ConvertRequest, on_progress: OnProgress = lambda _: None) -> Conversion:
    """Convert `request.source` and write it into `request.repo` as a version of a model.

    Raises a `TrtbuildError` when nothing was written. Targets that failed while others were
    built are in the result's `failures`. `on_progress` is called from several threads.
    """
    started = time.monotonic()
    temporary.choose(default_root(), request.repo)
    devices = device.gpus()
    runtime = choose_runtime(request.runtime, devices)
    targets = targets_from_texts(request.targets, runtime, devices)
    source = identify(request.source, kind_of(request))
    name = request.name or source.name
    check_destination(request.repo, name, request.mode, request.version)
    request = with_graphs_of_config(request, name)
    options = options_of_stages(request, source.kind)
    with Run(source, runtime, options, on_progress, targets) as run:
        exported = run.export()
        surgery = run.operate(exported)
        profiles = profiles_from_shapes(surgery.model.inputs, options.shapes)
        profile = envelope(profiles)
        check_config(name, surgery.model, profile, runtime, options.config, profiles=profiles)
        if request.cuda_graphs and isinstance(surgery.model, OnnxModel):
            check_capturable(run.count_ops(surgery.model))
        accuracy = Accuracy(run, exported, surgery, profile, profiles)
        outcome, report = together(
            lambda: run.plans(
                surgery.model,
                targets,
                profile,
                request.workers,
                profiles=profiles,
                on_build=lambda: accuracy.load_runner(targets, devices) if request.verify else None,
            ),
            lambda: accuracy.of_graphs() if request.verify else NOT_ASKED,
            meanwhile=_load_validator,
        )
        check_any_plan(outcome)
        gate(report, exported.notes)
        if request.verify:
            weak = precision_of_weak(request.weak)
            report = joined(report, accuracy.of_plans(outcome.plans, devices, weak, known=True))
            gate(report, exported.notes)
        results = Results(name, source, exported, surgery, profile, outcome, report, profiles)
        content = content_of(results, request, options)
        written = write_version(request.repo, content, request.mode, request.version)
    version = written.directory / str(written.version)
    return Conversion(
        name=name,
        version=written.version,
        directory=written.directory,
        runtime=runtime.name,
        runtime_version=runtime.version,
        model=surgery.model,
        profile=profile,
        plans=tuple(msgspec.structs.replace(p, directory=version) for p in outcome.plans),
        failures=outcome.failures,
        report=report,
        passes=surgery.notes,
        notes=(*exported.notes, *notes_of_plans(outcome, request)),
        config=(written.directory / "config.pbtxt").read_text(),
        findings=findings_of(written.directory, runtime.name),
        stages=tuple(run.stages),
        seconds=time.monotonic() - started,
        profiles=profiles,
    )


def _load_validator() -> None:
    """Its rules are many modules: load them while workers build, not at the end."""
    from trtbuild.validate.rule import all_rules

    all_rules()


def findings_of(model: Path, runtime: str) -> tuple[str, ...]:
    """What the validator says of the model's folder, for the server that its plans are for."""
    from trtbuild.validate.run import validate
    from trtbuild.validate.settings import Settings

    server = "triton" if runtime == TENSORRT else "trtbuild"
    report = validate([model], Settings(server=server, digests=False))  # written a moment ago
    return tuple(f"{f.level} {f.code} {f.name}: {f.message}" for f in report.findings)


def check_any_plan(outcome: PlanOutcome) -> None:
    """Raise `PlanError` where no target has a plan, with each target's reason."""
    if outcome.plans:
        return
    first = outcome.failures[0]
    reasons = "".join(f"\n  {failure.target}: {failure.message}" for failure in outcome.failures)
    raise PlanError(f"no target could be built, so nothing was written:{reasons}", first.hint)


def notes_of_plans(outcome: PlanOutcome, request: ConvertRequest) -> tuple[str, ...]:
    """What the builders had to do, and which layers did not get the precision asked for."""
    told = [note for plan in outcome.plans for note in plan.notes]
    if request.precision in ("fp16", "bf16"):
        told += [note for plan in outcome.plans if (note := left_in_fp32(plan))]
    return tuple(told)


def joined(one: VerifyReport, other: VerifyReport) -> VerifyReport:
    """Both reports as one."""
    return VerifyReport(
        one.comparisons + other.comparisons,
        one.not_run | other.not_run,
        tuple(dict.fromkeys(one.warnings + other.warnings)),
    )
