"""Compute in fp16 or bf16: --precision. What stays in fp32, and why, is in the pass's note.

1. The graph is brought to the opset at which its ops take the type (bf16: 22; Q/DQ: 19).
2. For fp16, activations are measured on seeded values, to find what would overflow.
3. Nodes are lowered, also those inside branches and bodies, which are handed fp32 and hand it on,
   except those that `keep` names; inputs and outputs stay fp32, or with
   --io-precision match take the type, except those whose type --input gave.
4. A graph that holds the type already was made so by its author: its nodes stay as they are.
"""

from __future__ import annotations

import difflib

import onnx
import onnx_graphsurgeon as gs
from onnx import version_converter

from trtbuild.errors import SurgeryError, first_line
from trtbuild.onnx_ops import HIGHEST_OPSET, first_opset
from trtbuild.surgery.contract import ContractError, Done, Job, Pass, skipped
from trtbuild.surgery.drop_dead import lower_constants
from trtbuild.surgery.graph import (
    ConvertedValues,
    all_graphs,
    constants_of,
    elem_type,
    graph_from_model,
    infer,
    infer_inside,
    is_standard,
    label,
    model_from_graph,
)
from trtbuild.surgery.precision.keep import CONTROL, Kept, float_slots, kept_nodes, matches
from trtbuild.surgery.precision.ranges import largest_values
from trtbuild.surgery.precision.rewrite import rewrite
from trtbuild.surgery.precision.types import FP16, FP32, PARAMETERS, may_be
from trtbuild.surgery.precision.unify_floats import typed_inputs
from trtbuild.tensor import DTYPES

_PARAMETER_OPSET = 15  # from here BatchNormalization's parameters may stay fp32
_NAMES_SHOWN = 12  # of the nodes kept for one reason


class LowerPrecision(Pass):
    """See the file's docstring."""

    def apply(self, job: Job) -> Done:
        """Lower what can be lowered."""
        precision = job.options.precision
        if precision not in ("fp16", "bf16"):
            return skipped(f"the precision asked for is '{precision}'")
        low = DTYPES[precision].onnx
        if not any(elem_type(t) == FP32 for t in job.graph.tensors().values()):
            return skipped("the model computes nothing in fp32")
        if _has(job, low):
            note = f"the model is in {precision} already; its fp32 nodes stay as they are"
            if not (low_io := _low_io(job)):
                return skipped(note)
            rewrite(job.graph, low, _opset(job), _Everything(), low_io)
            return Done(True, f"{note}; {precision} now: {', '.join(sorted(low_io))}")
        notes = [_raise_opset(job, low)]
        largest: dict[str, float] = {}
        if low == FP16:
            largest, problem = largest_values(job)
            notes.append(f"activations could not be measured: {problem}" if problem else "")
        infer_inside(job.graph)
        asked = job.options.keep_fp32
        _refuse_unmatched(job, asked)
        kept = kept_nodes(job.graph, low, _opset(job), largest, asked)
        total = sum(map(_computes, job.graph.nodes))
        count = rewrite(job.graph, low, _opset(job), kept, _low_io(job))
        for inner in list(job.graph.subgraphs(recursive=True)):
            below = kept_nodes(inner, low, _opset(job), {}, asked)
            total += sum(map(_computes, inner.nodes))
            count += rewrite(inner, low, _opset(job), below, (), taken=_names(job.graph))
            kept.entries |= below.entries
        infer(job.graph)
        notes = [f"{count} of {total} nodes compute in {precision}", *notes, *_reasons(kept)]
        return Done(True, "; ".join(note for note in notes if note))

    def requires(self, job: Job) -> None:
        """Nothing; but whether ONNX finds every type and shape right is remembered."""
        self._fault_before = _fault(job)

    def ensures(self, job: Job) -> None:
        """ONNX still finds every type right, and no input or output was forgotten."""
        if not self._fault_before and (fault := _fault(job)):
            raise ContractError(fault)
        if left := _low_io(job):
            raise ContractError(f"{', '.join(sorted(left))} should have the type of the rest")


def _fault(job: Job) -> str:
    """What strict inference of types and shapes finds wrong with the graph; "" nothing."""
    if job.options.precision not in ("fp16", "bf16"):
        return ""
    try:
        model = model_from_graph(job.graph)
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    except onnx.shape_inference.InferenceError as error:
        return first_line(error)
    return ""


class _Everything:
    """Contains every node."""

    def __contains__(self, node: object) -> bool:
        return True


def _low_io(job: Job) -> set[str]:
    """The fp32 inputs and outputs that are to take the precision."""
    if job.options.io_precision == "keep":
        return set()
    typed = typed_inputs(job)
    tensors = job.graph.inputs + job.graph.outputs
    return {t.name for t in tensors if elem_type(t) == FP32 and t.name not in typed}


def _has(job: Job, low: int) -> bool:
    typed = typed_inputs(job)
    return any(
        elem_type(tensor) == low and tensor.name not in typed
        for tensor in job.graph.tensors().values()
    )


def _opset(job: Job) -> int:
    return int(job.graph.opset)


def _raise_opset(job: Job, low: int) -> str:
    """Case 1; returns "" or why ONNX could not do it."""
    have, wanted = _opset(job), _opset(job)
    for node in job.graph.nodes:
        slots = float_slots(node)
        if slots and not any(may_be(node, have, low, index, out) for index, _, out in slots):
            needed = first_opset(node.op, have, low) if is_standard(node) else 0
            wanted = max(wanted, needed if needed <= HIGHEST_OPSET else 0)
        elif node.op in PARAMETERS:
            wanted = max(wanted, _PARAMETER_OPSET)
    if wanted == have:
        return ""
    if any(True for _ in job.graph.subgraphs()):
        return f"kept at opset {have}: ONNX's converter does not look into control flow"
    try:
        job.graph = _at_opset(job.graph, wanted)
    except Exception as error:  # of the C++ converter: whatever its adapters raise
        return f"kept at opset {have}, which ONNX cannot convert to {wanted}: {first_line(error)}"
    return ""


def _at_opset(graph: gs.Graph, version: int) -> gs.Graph:
    """`graph` at opset `version`, its weights still in their files."""
    model = model_from_graph(graph)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    model.graph.CopyFrom(version_converter.convert_version(model, version).graph)
    for tensor in model.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(weights[tensor.name])  # the converter knows no external data
    for entry in model.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = version
    raised = graph_from_model(model)
    lower_constants(raised)  # the converter makes nodes of what were attributes
    raised.cleanup()
    for name, constant in constants_of(graph).items():
        if name in weights and isinstance(held := constant._values, ConvertedValues):
            raised.tensors()[name]._values = held
    infer(raised)
    return raised


def _refuse_unmatched(job: Job, patterns: tuple[str, ...]) -> None:
    """A pattern that names nothing is a misspelt one."""
    nodes = [node for scope in all_graphs(job.graph) for node in scope.nodes]
    for pattern in patterns:
        if any(matches(node, pattern) for node in nodes):
            continue
        near = difflib.get_close_matches(pattern, [label(node) for node in nodes], _NAMES_SHOWN)
        raise SurgeryError(
            f"--keep-fp32 '{pattern}' names no node and no tensor"
            + (f"; near: {', '.join(near)}" if near else ""),
            "give names as `trtbuild convert` notes them, with * for any part: '*norm*'",
        )


def _computes(node: gs.Node) -> bool:
    """Whether a type can be chosen for `node`; control flow has those of what is inside."""
    control = any(isinstance(value, gs.Graph) for value in node.attrs.values())
    return not control and bool(float_slots(node))


def _names(graph: gs.Graph) -> set[str]:
    return {name for scope in all_graphs(graph) for name in scope.tensors()}


def _reasons(kept: Kept) -> list[str]:
    """One note a reason, with the nodes that it keeps."""
    grouped: dict[str, list[str]] = {}
    for node, reason, figure in kept.entries.values():
        if float_slots(node) or reason == CONTROL:
            what = f"{node.op}: {figure}" if figure else node.op
            grouped.setdefault(reason, []).append(f"{label(node)} ({what})")
    notes = []
    for reason, names in grouped.items():
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        notes.append(f"in fp32, because {reason}: {', '.join(names[:_NAMES_SHOWN])}{more}")
    return notes
