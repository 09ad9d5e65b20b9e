"""What a file is: a source model, an ONNX file or a plan, shown without building anything.

Of a plan the header, the lock beside it, and with its GPU at hand its layers.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from trtbuild import device
from trtbuild.artifacts import OnnxModel, Profile, layers_file_of
from trtbuild.device import visible_only
from trtbuild.engine_from_plan import Loading
from trtbuild.errors import ForeignNameError, PlanError, RepositoryError, WorkerDiedError
from trtbuild.foreign import read_inside
from trtbuild.locked import locked_plan
from trtbuild.plan.header import plan_header
from trtbuild.plan.layers import Inside, Layer, counts, layers_from_text
from trtbuild.plan.runtimes import (
    TENSORRT,
    choose_runtime,
    installed_runtimes,
    why_release_refuses,
)
from trtbuild.plugin_files import plugins_from_paths
from trtbuild.repository.lock import Lock, read_lock
from trtbuild.request import ConvertRequest
from trtbuild.sources import NETWORK
from trtbuild.sources.identify import identify
from trtbuild.stage_options import kind_of, options_of_stages
from trtbuild.steps import Run
from trtbuild.tensor import TensorSpec
from trtbuild.workers.pool import OnProgress, Pool

_MOST_LAYER_BYTES = 1 << 28  # TensorRT writes some kilobytes a layer
_STRIPPED = "it has no weights and runs nowhere until `trtbuild refit` gives it some"


class Inspection(msgspec.Struct, frozen=True):
    """What is known of one file; empty where it does not apply or nothing tells."""

    file: str
    kind: str  # a source's kind, or "plan"
    size_bytes: int
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    opset: int = 0
    producer: str = ""
    ops: dict[str, int] = {}  # of the ONNX form, the most frequent first
    runtime: str = ""
    version: str = ""  # of the runtime
    targets: tuple[str, ...] = ()
    profile: dict[str, dict[str, tuple[int, ...]]] = {}  # input -> min, opt, max
    layers: tuple[Layer, ...] = ()  # of a plan, in the order in which they run
    layer_types: dict[str, int] = {}  # data type -> layers of the plan that compute in it
    activations_bytes: int | None = None  # of the GPU, for a context of the plan
    weights_bytes: int | None = None  # of the plan's layers whose weights TensorRT lists
    notes: tuple[str, ...] = ()
    profiles: tuple[dict[str, dict[str, tuple[int, ...]]], ...] = ()  # in order; `profile` around


def inspect(
    request: ConvertRequest,
    on_progress: OnProgress = lambda _: None,
    *,
    runs_code: bool = False,
) -> Inspection:
    """Look at `request.source`; its options of the source stage say how to read it.

    `request.plugins` are loaded before a plan is; `runs_code`: the code in a version-compatible one
    may run.
    A source of another framework is exported to ONNX for that (the store keeps it). Raises
    `TrtbuildError` for what cannot be read.
    """
    path = Path(request.source)
    if path.is_file() and _is_plan(path):
        files = plugins_from_paths(request.plugins)
        loading = Loading.of(locked_plan(path), files, runs_code=runs_code)
        return _with_layers(path, _plan(path), loading, on_progress)
    source = identify(request.source, kind_of(request))
    runtime = choose_runtime(request.runtime, device.gpus()) if source.kind == NETWORK else None
    with Run(source, runtime, options_of_stages(request, source.kind), on_progress) as run:
        model = run.describe(path) if source.kind == "onnx" else run.export()
        ops = run.count_ops(model) if isinstance(model, OnnxModel) else model.layers
    return Inspection(
        file=request.source,
        kind=source.kind,
        size_bytes=model.size_bytes,
        inputs=model.inputs,
        outputs=model.outputs,
        opset=model.opset,
        producer=model.producer,
        ops=ops,
        notes=model.notes,
    )


def _is_plan(path: Path) -> bool:
    """By its name or its first bytes: a plan that was cut short is still a plan."""
    with path.open("rb") as file:
        return path.suffix in (".plan", ".engine") or file.read(4) in (b"ftrt", b"vtrt")


def _plan(path: Path) -> Inspection:
    header = plan_header(path)
    lock, notes = _lock_beside(path)
    locked = next((p for p in lock.plans if p.file == path.name), None) if lock else None
    targets = locked.targets if locked else header.targets or ()
    if lock is not None and locked is None:
        notes = (*notes, "trtbuild.lock.json beside it does not know this file")
    if header.any_later:
        notes = (*notes, "no target was declared when it was built")
    known = lock if locked else None
    return Inspection(
        file=str(path),
        kind="plan",
        size_bytes=header.size_bytes,
        inputs=known.onnx.inputs if known else (),
        outputs=known.onnx.outputs if known else (),
        opset=known.onnx.opset if known else 0,
        producer=known.source.producer if known else "",
        runtime=header.runtime,
        version=header.version,
        targets=tuple(str(target) for target in targets),
        profile=_shapes(known.profile) if known else {},
        notes=notes,
        profiles=tuple(map(_shapes, known.each_profile)) if known else (),
    )


def _with_layers(
    path: Path, found: Inspection, loading: Loading, on_progress: OnProgress
) -> Inspection:
    """`found` with what the plan's own engine says, where one can be made here; else what is kept.

    The engine is made in a worker: a plan is code, and a bad one takes its process with it.
    """
    devices = device.gpus()
    gpus = [g for g in devices.gpus if not found.targets or str(g.capability) in found.targets]
    runtimes = [each for each in installed_runtimes(devices) if each.name == found.runtime]
    if not gpus or not runtimes:
        return _with_kept_layers(path, found, runtimes != [])
    if why := why_release_refuses(found.version, runtimes[0]):
        kept = _with_kept_layers(path, found, has_runtime=False)
        return msgspec.structs.replace(kept, notes=(*kept.notes, f"it {why}"))
    try:
        with Pool() as pool, pool.worker(visible_only(gpus[0])) as worker:
            inside = worker.call(
                "trtbuild.plan.inspector:look_inside",
                Inside,
                on_progress,
                plan=path,
                module=runtimes[0].module,
                loading=loading,
            )
    except (PlanError, WorkerDiedError) as error:
        kept = _with_kept_layers(path, found, True)
        said = f"{error.message} ({error.hint})" if error.hint else error.message
        return msgspec.structs.replace(kept, notes=(*kept.notes, said))
    return msgspec.structs.replace(
        found,
        layers=inside.layers,
        layer_types=counts(inside.layers),
        activations_bytes=inside.activations_bytes,
        weights_bytes=inside.weights_bytes,
        notes=(*found.notes, *([_STRIPPED] if inside.stripped else [])),
    )


def _with_kept_layers(path: Path, found: Inspection, has_runtime: bool) -> Inspection:
    """The layers that were kept beside the plan, or their number by data type in its lock."""
    kept = _kept_layers(path.parent, layers_file_of(path.name))
    lock, _ = _lock_beside(path)
    locked = next((p for p in lock.plans if p.file == path.name), None) if lock else None
    if kept is not None:
        layers = layers_from_text(kept)
        return msgspec.structs.replace(found, layers=layers, layer_types=counts(layers))
    lacking = "a GPU that it is for" if has_runtime else f"{found.runtime} and a GPU that it is for"
    note = f"its layers are told only where there is {lacking}"
    if found.runtime == TENSORRT:  # the other runtime has none at hand when it builds
        note += "; convert --keep-layers writes them beside it"
    return msgspec.structs.replace(
        found, layer_types=locked.layers if locked else {}, notes=(*found.notes, note)
    )


def _kept_layers(folder: Path, name: str) -> str | None:
    try:
        return read_inside(folder, name, _MOST_LAYER_BYTES).decode(errors="replace")
    except (OSError, ForeignNameError):
        return None  # not kept, or no plain file: it was not written by trtbuild


def _lock_beside(path: Path) -> tuple[Lock | None, tuple[str, ...]]:
    try:
        return read_lock(path.parent), ()
    except (RepositoryError, PlanError) as error:
        return None, (error.message,)


def _shapes(profile: Profile) -> dict[str, dict[str, tuple[int, ...]]]:
    return {
        name: {"min": range_.min, "opt": range_.opt, "max": range_.max}
        for name, range_ in profile.items()
    }
