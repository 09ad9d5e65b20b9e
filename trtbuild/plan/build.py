"""Build one plan file. Runs in worker processes, which alone import TensorRT."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from trtbuild.artifacts import Plan, Profile, digest_of_files, layers_file_of
from trtbuild.errors import PlanError
from trtbuild.network_model import NetworkModel
from trtbuild.plan import datacenter
from trtbuild.plan.define import network_from_definition
from trtbuild.plan.inspector import inspector_text
from trtbuild.plan.layers import NAMED_LAYERS, computing_in, counts, layers_from_text
from trtbuild.plan.network import Parsed, network_from_onnx, typed
from trtbuild.plan.options import PlanSpec
from trtbuild.plan.plugins import unused_notes, used_plugins
from trtbuild.plan.progress import PER_MILLE, monitor
from trtbuild.plan.runtimes import TENSORRT, TENSORRT_RTX, RuntimeInfo
from trtbuild.plan.session import Session, session
from trtbuild.plan.targets import plan_file_name
from trtbuild.plan.timing_cache import load_timing_cache, missed, save_timing_cache
from trtbuild.plan.usage import usage_hint
from trtbuild.plan.words import is_usage, refusal_from_log
from trtbuild.workers.child import report

_MIB = 1 << 20


def warm_up(runtime: RuntimeInfo) -> str:
    """Load the runtime ahead of need; its version as it says it itself."""
    loaded = session(runtime)
    loaded.new_builder()
    return str(loaded.trt.__version__)


def plan(spec: PlanSpec, directory: Path) -> Plan:
    """Build one plan for all of the targets and write it into `directory`.

    Data-centre TensorRT takes one target, that of the GPU this process sees. Raises `PlanError`
    with `refused_by` set where TensorRT refuses the network.
    """
    started = time.monotonic()
    loaded = session(spec.runtime)
    plugins = loaded.plugins(spec.options.plugins)
    flags = typed(loaded)
    if spec.runtime.name == TENSORRT:
        datacenter.check_gpu(spec.targets[0])
        flags = datacenter.network_flags(loaded, spec.options, flags)
    if isinstance(spec.model, NetworkModel):
        parsed = network_from_definition(loaded, spec.model, flags)
    else:
        parsed = network_from_onnx(loaded, spec.model, flags)
    used = used_plugins(loaded, parsed.network, plugins)
    if spec.runtime.name == TENSORRT:
        built, notes, level = _build_on_gpu(loaded, parsed, spec)
        notes += datacenter.notes_of(spec.options)
    else:
        built, notes = serialized(loaded, parsed, configured(loaded, parsed, spec)), ()
        level = ""
    path = directory / plan_file_name(spec.targets)
    _write(path, built)
    made = Plan(
        directory=directory,
        file=path.name,
        digest=digest_of_files(path),
        size_bytes=path.stat().st_size,
        targets=spec.targets,
        runtime=spec.runtime.name,
        runtime_version=str(loaded.trt.__version__),
        seconds=round(time.monotonic() - started, 3),
        notes=(*notes, *unused_notes(plugins, used)),
        hardware=level,
        version_compatible=spec.options.version_compatible or "",
        refit=spec.options.refit or "",
        stripped=spec.options.strip_weights,
        plugins=used,
    )
    return _with_layers(loaded, built, made) if spec.runtime.name == TENSORRT else made


def _with_layers(loaded: Session, built: Any, made: Plan) -> Plan:
    """`made` with what its own engine tells of its layers, and their file beside it."""
    loaded.forget_errors()
    runtime = loaded.trt.Runtime(loaded.logger)
    runtime.engine_host_code_allowed = True  # of a version-compatible plan; it is our own
    engine = runtime.deserialize_cuda_engine(built)
    if engine is None:  # other work may have the GPU's memory: the plan is good all the same
        reason = refusal_from_log(loaded.errors).reason
        note = f"its layers are not known, {loaded.name} did not load it: {reason}"
        return msgspec.structs.replace(made, notes=(*made.notes, note))
    text = inspector_text(loaded.trt, engine)
    layers, file = layers_from_text(text), layers_file_of(made.file)
    _write(made.directory / file, text.encode())
    return msgspec.structs.replace(
        made,
        layers_file=file,
        layers=counts(layers),
        fp32_layers=computing_in(layers, "fp32")[:NAMED_LAYERS],
    )


def _build_on_gpu(
    loaded: Session, parsed: Parsed, spec: PlanSpec
) -> tuple[Any, tuple[str, ...], str]:
    """The plan's bytes as TensorRT's `IHostMemory`, what the user should know, and the level."""
    first, *others = datacenter.hardware_levels(loaded, spec.options)
    try:
        return *_build_at(loaded, parsed, spec, first), first
    except PlanError as error:
        if not others or error.refused_by != "builder":
            raise
        built, notes = _build_at(loaded, parsed, spec, others[0])
        return built, (datacenter.fallback_note(error.message), *notes), others[0]


def _build_at(
    loaded: Session, parsed: Parsed, spec: PlanSpec, level: str
) -> tuple[Any, tuple[str, ...]]:
    config = configured(loaded, parsed, spec)
    datacenter.configure(loaded, config, spec.options, level)
    path = spec.options.timing_cache or spec.kept_cache
    if path is None:
        return serialized(loaded, parsed, config), ()
    kept, required = spec.options.timing_cache is None, spec.options.require_timing_cache
    notes = load_timing_cache(loaded, config, path, kept=kept, required=required)
    try:
        built = serialized(loaded, parsed, config)
    except PlanError as error:
        if required and error.refused_by == "builder":
            raise missed(error, path) from None
        raise
    return built, notes + save_timing_cache(config, path)


def configured(loaded: Session, parsed: Parsed, spec: PlanSpec) -> Any:
    """A builder config with all that both runtimes have. Raises `PlanError` for a profile."""
    config = parsed.builder.create_builder_config()
    for profile in filter(None, spec.each_profile):  # none for a network without inputs
        _add_profile(loaded, parsed, config, profile)
    if spec.options.workspace_mib is not None:
        workspace = loaded.trt.MemoryPoolType.WORKSPACE
        config.set_memory_pool_limit(workspace, spec.options.workspace_mib * _MIB)
    if spec.options.opt_level is not None:
        config.builder_optimization_level = spec.options.opt_level
    # Layers' types and tactics in the plan, for `inspect`.
    config.profiling_verbosity = loaded.trt.ProfilingVerbosity.DETAILED
    if spec.options.capturable and spec.runtime.name == TENSORRT_RTX:
        # A plan that allocates memory itself as it runs cannot be captured (TensorRT for RTX 1.2).
        config.set_flag(loaded.trt.BuilderFlag.REQUIRE_USER_ALLOCATION)
    loaded.set_targets(config, spec.targets)
    config.progress_monitor = monitor(
        loaded.trt, lambda phase, done: report("", phase, done, PER_MILLE)
    )
    return config


def _add_profile(loaded: Session, parsed: Parsed, config: Any, profile: Profile) -> None:
    shapes = parsed.builder.create_optimization_profile()
    for name, sizes in profile.items():
        shapes.set_shape(name, sizes.min, sizes.opt, sizes.max)
    if config.add_optimization_profile(shapes) < 0:
        reason = refusal_from_log(loaded.errors).reason
        raise PlanError(f"{loaded.name} refuses the profile: {reason}")


def serialized(loaded: Session, parsed: Parsed, config: Any) -> Any:
    """Build; raises `PlanError` with `refused_by` "builder" where TensorRT gives no plan."""
    loaded.forget_errors()
    built = parsed.builder.build_serialized_network(parsed.network, config)
    if built is not None:
        return built
    refusal = refusal_from_log(loaded.errors)
    if any(map(is_usage, loaded.errors)):
        raise PlanError(
            f"{loaded.name}: {refusal.reason}",
            usage_hint(parsed.network, refusal.reason),
        )
    raise PlanError(
        f"{loaded.name}: {refusal.reason}",
        _next_step(refusal.reason),
        node=refusal.layer,
        dtype=", ".join(refusal.dtypes),
        blamed=", ".join(map(str, refusal.blamed)),
        refused_by="builder",
    )


def _next_step(reason: str) -> str:
    """What to do about a builder's reason, where that is known."""
    if "workspace" in reason:
        return "give it more memory with --workspace"
    if "nvinfer_lean" in reason:  # which comes in a package of its own
        return (
            "a version-compatible plan carries the lean runtime: install its library, from the "
            "package tensorrt-lean-cu12-libs or -cu13-libs of the same release, where the loader "
            "finds it (LD_LIBRARY_PATH), or give --version-compatible without-lean-runtime"
        )
    return ""


def _write(path: Path, built: Any) -> None:
    try:
        with path.open("wb") as file:
            file.write(built)
    except OSError as error:
        raise PlanError(
            f"the plan cannot be written to {path.parent}: {error.strerror}",
            "make room there, or name another cache folder with TRTBUILD_CACHE_DIR",
        ) from None
