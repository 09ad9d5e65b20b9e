"""The surgery stage: every pass, in order, and the files it leaves. Runs in worker processes."""

from __future__ import annotations

from pathlib import Path

import msgspec

from trtbuild.artifacts import OnnxModel, PassNote, SurgeryResult
from trtbuild.onnx_model import describe
from trtbuild.onnx_weights import read_skeleton
from trtbuild.surgery.contract import Job, check_source, run_passes
from trtbuild.surgery.declare_outputs import infer_output_ranks
from trtbuild.surgery.graph import forget_shapes, graph_from_model, infer, is_standard, save
from trtbuild.surgery.options import SurgeryOptions
from trtbuild.surgery.precision.types import FP64, uses

# name -> "module:class", in the order they run. To add a pass: one file, one line here.
PASSES = {
    "cut": "trtbuild.surgery.cut:Cut",
    "bind_inputs": "trtbuild.surgery.bind_inputs:BindInputs",
    "drop_dead": "trtbuild.surgery.drop_dead:DropDead",
    "override_inputs": "trtbuild.surgery.override_inputs:OverrideInputs",
    "free_batch": "trtbuild.surgery.free_batch:FreeBatch",
    "fold_constants": "trtbuild.surgery.fold_constants:FoldConstants",
    "drop_folded": "trtbuild.surgery.drop_dead:DropDead",
    "declare_outputs": "trtbuild.surgery.declare_outputs:DeclareOutputs",
    "raise_casts": "trtbuild.surgery.raise_casts:RaiseCasts",
    "raise_scalars": "trtbuild.surgery.raise_scalars:RaiseScalars",
}
# What changes numbers; the graph before it is written as well, to compare with.
PRECISION_PASSES = {
    "unify_floats": "trtbuild.surgery.precision.unify_floats:UnifyFloats",
    "lower_precision": "trtbuild.surgery.precision.lower_precision:LowerPrecision",
}
# Other ops that compute the same, since TensorRT does not, or otherwise. Last: which ops stay in
# fp32 is told by what the model calls them.
LOWERING_PASSES = {
    "lower_ops": "trtbuild.surgery.lower.apply:LowerOps",
}


def operate(model: OnnxModel, options: SurgeryOptions, directory: Path) -> SurgeryResult:
    """Run every pass on `model`; the results are files right in `directory`.

    `model.onnx` is what plans are built from; `reference.onnx` is there only where precision
    was converted. Weights lie in `<file>.data` where they did so in `model`, or where a file
    would come near protobuf's 2 GiB. Raises `SurgeryError` for what cannot be done.
    """
    job = _job(model, options, directory)
    check_source(job.graph)
    notes: list[PassNote] = []
    run_passes(job, PASSES.items(), notes)
    before = None
    if options.precision != "keep" or uses(job.graph, {FP64}):
        before = _written(job, "reference.onnx")
    unchanged = len(notes)
    run_passes(job, PRECISION_PASSES.items(), notes)
    if before is not None and not any(note.changed for note in notes[unchanged:]):
        for file in before.files:
            (directory / file).unlink()
        before = None
    run_passes(job, LOWERING_PASSES.items(), notes)
    return SurgeryResult(
        model=_written(job, "model.onnx"),
        reference=before,
        notes=tuple(notes),
        input_names=job.input_names,
        output_names=job.output_names,
        bound=options.bind,
    )


def _job(model: OnnxModel, options: SurgeryOptions, directory: Path) -> Job:
    """The graph of `model`; dims that vary have the names that `model` gives them."""
    graph = graph_from_model(read_skeleton(model.path))
    shapes = {spec.name: list(spec.shape) for spec in model.inputs}
    graph.inputs = [tensor for tensor in graph.inputs if tensor.name in shapes]
    for tensor in graph.inputs:
        tensor.shape = shapes[tensor.name]
    graph.toposort()
    if all(
        is_standard(node) for node in graph.nodes
    ):  # else shapes may be known from the file only
        forget_shapes(graph)
    infer_output_ranks(graph)
    infer(graph)
    input_names = {tensor.name: tensor.name for tensor in graph.inputs}
    output_names = {tensor.name: tensor.name for tensor in graph.outputs}
    return Job(graph, options, model, directory, input_names, output_names)


def _written(job: Job, name: str) -> OnnxModel:
    path = job.directory / name
    save(job.graph, path, external=len(job.source.files) > 1)
    return msgspec.structs.replace(describe(path), unbatched=tuple(job.unbatched))
