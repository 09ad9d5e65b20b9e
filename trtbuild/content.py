"""What a finished run puts into the repository: files, the config, the lock."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import msgspec

from trtbuild import __version__
from trtbuild.artifacts import (
    Model,
    OnnxModel,
    Plan,
    PlanOutcome,
    Profile,
    SourceRef,
    SurgeryResult,
    VerifyReport,
)
from trtbuild.foreign import path_inside
from trtbuild.modelconfig.cuda_graphs import usual_sizes
from trtbuild.modelconfig.derive import config_from_plans
from trtbuild.modelconfig.inherit import keep_settings
from trtbuild.modelconfig.options import ConfigOptions
from trtbuild.modelconfig.read import read_config
from trtbuild.modelconfig.schema import Config
from trtbuild.modelconfig.write import text_from_config
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plugin_files import triton_option
from trtbuild.repository.layout import CONFIG, PORTABLE
from trtbuild.repository.lock import Lock, LockedOnnx, LockedPlan, LockedSource
from trtbuild.repository.write import Content
from trtbuild.request import ConvertRequest
from trtbuild.stage_options import StageOptions

# Of a request: what says where and how fast, and so nothing about the model.
_NOT_OF_THE_MODEL = {
    "source", "repo", "name", "version", "mode", "workers", "timing_cache", "require_timing_cache",
    "plugins", "verify_timeout_s",
}  # fmt: skip
_HEADING = (
    f"Written by trtbuild {__version__}. Edit it freely: trtbuild overwrites an edited config\n"
    "only with --replace."
)
_RUNS_CODE = (
    "\nIts plans are version-compatible: they run code that is in them, and Triton loads\n"
    "them with --backend-config=tensorrt,version-compatible=true only. Trust where they come from."
)


class Results(msgspec.Struct, frozen=True):
    """What the stages of a run gave."""

    name: str
    source: SourceRef
    exported: Model
    surgery: SurgeryResult
    profile: Profile
    outcome: PlanOutcome
    report: VerifyReport
    profiles: tuple[Profile, ...] = ()  # that `profile` is the envelope of; (): itself alone


def with_graphs_of_config(request: ConvertRequest, name: str) -> ConvertRequest:
    """`request`, with CUDA graphs where it says nothing of them and the model's config has some.

    They are captured in shapes of the plans, so each version's are derived anew: only whether there
    are any is kept, and their batch sizes where they are not those that all models have.
    """
    path = request.repo / name / CONFIG
    if request.cuda_graphs is not None or request.mode == "replace" or not path.exists():
        return request
    config = read_config(path).message
    cuda = config.optimization.cuda
    sizes = {spec.batch_size for spec in cuda.graph_spec}
    given = sizes - {0} if sizes != usual_sizes(config.max_batch_size) else set[int]()
    return msgspec.structs.replace(
        request,
        cuda_graphs=cuda.graphs,
        graph_batch=request.graph_batch or (tuple(sorted(given)) if cuda.graphs else ()),
    )


def check_config(
    name: str,
    model: Model,
    profile: Profile,
    runtime: RuntimeInfo,
    options: ConfigOptions,
    *,
    profiles: tuple[Profile, ...] = (),
) -> None:
    """Raise now, before plans are built, what `content_of` would raise about the config."""
    plan = Plan(model.directory, "any.plan", "", 0, (), runtime.name, runtime.version, 0.0)
    config_from_plans(name, model, (plan,), profile, options, profiles=profiles)


def content_of(results: Results, request: ConvertRequest, options: StageOptions) -> Content:
    """The version to be written."""
    refittable = options.plan.refit is not None
    plans = results.outcome.plans
    files = {plan.file: plan.path for plan in plans}
    if request.keep_layers:
        kept = ((plan.directory, plan.layers_file) for plan in plans if plan.layers_file)
        files |= {file: path_inside(directory, file) for directory, file in kept}
    if request.portable:
        files |= portable_files(results.surgery, refittable=refittable)

    def config(locked: tuple[LockedPlan, ...]) -> str:
        derived = config_of(results, locked, options.config)
        there = request.repo / results.name / CONFIG
        if request.mode != "replace" and there.exists():
            derived = keep_settings(read_config(there).message, derived, _settings_asked(request))
        heading = _HEADING + (_RUNS_CODE if any(plan.version_compatible for plan in locked) else "")
        return text_from_config(derived, heading + _of_plugins(locked))

    return Content(files, dict(options.label_files), config, _lock(results, request, options))


def _of_plugins(plans: tuple[LockedPlan, ...]) -> str:
    """What the heading of a config says of the plugins that its plans need."""
    files = dict.fromkeys(plugin.file for plan in plans for plugin in plan.plugins)
    if not files:
        return ""
    return f"\nIts plans need plugins: tritonserver {triton_option(files)}"


def portable_files(surgery: SurgeryResult, *, refittable: bool = False) -> dict[str, Path]:
    """`model.onnx` and its external data: what runs where no plan fits the machine.

    That is the graph before precision conversion: CPUs have no bf16, and few fp16 kernels. Where
    inputs or outputs were converted as well, or where plans can be given weights (which are those
    of the graph they were built from), it is the graph that the plans were built from.
    """
    model, before = surgery.model, surgery.reference
    if not isinstance(model, OnnxModel):
        return {}
    same = before is not None and (before.inputs, before.outputs) == (model.inputs, model.outputs)
    if before is not None and same and not refittable:
        model = before
    first, *others = model.files
    names = {PORTABLE: first, **{file: file for file in others}}  # data files are named inside
    return {name: path_inside(model.directory, file) for name, file in names.items()}


def config_of(results: Results, plans: tuple[LockedPlan, ...], options: ConfigOptions) -> Config:
    """The config for `plans`, those that were there before included."""
    model = results.surgery.model
    artifacts = [_plan(plan, model) for plan in plans]
    return config_from_plans(
        results.name, model, artifacts, results.profile, options, profiles=results.profiles
    )


def _settings_asked(request: ConvertRequest) -> set[str]:
    """The config's fields that the user gave options for in this run."""
    given = {
        "instance_group": request.instances is not None,
        "dynamic_batching": bool(request.preferred_batch) or request.max_queue_delay_us is not None,
        "model_warmup": request.warmup,
    }
    return {field for field, is_given in given.items() if is_given}


def _plan(plan: LockedPlan, model: Model) -> Plan:
    return Plan(
        model.directory, plan.file, "", 0, plan.targets, plan.runtime, plan.runtime_version, 0.0
    )


def _locked(plan: Plan) -> LockedPlan:
    return LockedPlan(
        plan.file,
        plan.targets,
        plan.runtime,
        plan.runtime_version,
        round(plan.seconds, 3),
        plan.hardware,
        plan.version_compatible,
        plan.refit,
        plan.stripped,
        plan.layers,
        plan.plugins,
    )


def _lock(results: Results, request: ConvertRequest, options: StageOptions) -> Lock:
    source, model = results.source, results.surgery.model
    refittable = options.plan.refit is not None
    now = datetime.datetime.now(datetime.timezone.utc)
    return Lock(
        trtbuild=__version__,
        created=now.isoformat(timespec="seconds"),
        name=results.name,
        version=0,
        source=LockedSource(
            source.kind,
            source.location,
            source.digest,
            results.exported.producer,
            results.exported.notes,
        ),
        onnx=LockedOnnx(
            tuple(portable_files(results.surgery, refittable=refittable)),
            model.digest,
            model.opset,
            model.inputs,
            model.outputs,
            request.portable and isinstance(model, OnnxModel),
        ),
        profile=results.profile,
        plans=tuple(_locked(plan) for plan in results.outcome.plans),
        profiles=results.profiles,
        failures=results.outcome.failures,
        report=results.report,
        passes=results.surgery.notes,
        options=_asked(request),
        config_digest="",
        files={},
    )


def _asked(request: ConvertRequest) -> dict[str, Any]:
    """What the user asked for beyond the defaults, by name."""
    given = msgspec.to_builtins(request, enc_hook=str)
    usual = msgspec.to_builtins(ConvertRequest(source="", repo=request.repo), enc_hook=str)
    return {
        name: value
        for name, value in given.items()
        if name not in _NOT_OF_THE_MODEL and value != usual[name]
    }
