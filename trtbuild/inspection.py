"""What a file is: a source model, an ONNX file or a plan, shown without building anything."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trtbuild.artifacts import Profile
from trtbuild.errors import PlanError, RepositoryError
from trtbuild.plan.header import plan_header
from trtbuild.repository.lock import Lock, read_lock
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import options_of_stages
from trtbuild.steps import Run
from trtbuild.tensor import TensorSpec
from trtbuild.workers.pool import OnProgress


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
    notes: tuple[str, ...] = ()
    profiles: tuple[dict[str, dict[str, tuple[int, ...]]], ...] = ()  # in order; `profile` around


def inspect(request: ConvertRequest, on_progress: OnProgress = lambda _: None) -> Inspection:
    """Look at `request.source`; its options of the source stage say how to read it.

    A source of another framework is exported to ONNX for that (the store keeps it). Raises
    `TrtbuildError` for what cannot be read.
    """
    path = Path(request.source)
    if path.is_file() and _is_plan(path):
        return _plan(path)
    source = identify(request.source, request.kind)
    with Run(source, None, options_of_stages(request, source.kind), on_progress) as run:
        model = run.describe(path) if source.kind == "onnx" else run.export()
        ops = run.count_ops(model)
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
