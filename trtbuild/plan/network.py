"""ONNX -> a TensorRT network, by TensorRT's own parser. Runs in worker processes."""

from __future__ import annotations

from typing import Any, NamedTuple

import onnx
from google.protobuf.message import DecodeError

from trtbuild.artifacts import OnnxModel
from trtbuild.errors import PlanError
from trtbuild.plan.runtimes import TENSORRT_RTX
from trtbuild.plan.session import Session
from trtbuild.plan.words import bare, parser_reason
from trtbuild.plan.wrong_forms import wrong_forms
from trtbuild.tensor import TensorSpec, dtype_from_tensorrt


class Parsed(NamedTuple):
    """A network, its builder, and the parser that owns its weights: all live until the plan is."""

    builder: Any
    network: Any
    parser: Any


def network_from_onnx(session: Session, model: OnnxModel, flags: int) -> Parsed:
    """The network of the ONNX file; TensorRT reads the file itself, with its external data.

    Raises `PlanError` with `refused_by` "parser" for what TensorRT's parser does not take, and
    a plain one where the network's inputs and outputs would differ from the model's.
    """
    _refuse_wrong_forms(session, model)
    parsed = _empty(session, session.new_builder(), flags)
    if not parsed.parser.parse_from_file(str(model.path)):
        raise _parser_error(session, parsed.parser)
    _check_interface(session, parsed.network, model)
    return parsed


def network_from_bytes(session: Session, onnx_bytes: bytes, flags: int) -> Parsed | NodeRefusal:
    """The network of a small ONNX model in memory, or why the parser does not take it."""
    return parsed_bytes(session, session.new_builder(), onnx_bytes, flags)


def parsed_bytes(
    session: Session, builder: Any, onnx_bytes: bytes, flags: int
) -> Parsed | NodeRefusal:
    """The same with a builder that is there already."""
    if wrong := wrong_forms(onnx.ModelProto.FromString(onnx_bytes)):
        return NodeRefusal(wrong[0].op, wrong[0].node, wrong[0].reason, wrong[0].hint)
    parsed = _empty(session, builder, flags)
    if parsed.parser.parse(onnx_bytes):
        return parsed
    refusals = parser_refusals(parsed.parser)
    return (
        refusals[0]
        if refusals
        else NodeRefusal("", "", _parser_error(session, parsed.parser).message)
    )


def typed(session: Session) -> int:
    """Creation flags for a network whose data types are the graph's own.

    TensorRT 11 and RTX make every network so; 10 needs the flag, whose integer moved since.
    """
    member = session.member("NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
    return 0 if member is None else 1 << int(member)


def _refuse_wrong_forms(session: Session, model: OnnxModel) -> None:
    """Raise `PlanError` for an op that the parser would take and TensorRT compute otherwise."""
    try:
        proto = onnx.load(model.path, load_external_data=False)
    except DecodeError:
        return  # the parser says what is wrong with the file
    wrong = wrong_forms(proto)
    if not wrong:
        return
    op, node, reason, hint = wrong[0]
    others = sorted({form.op for form in wrong} - {op})
    raise PlanError(
        f"{session.name} gets {op} (node '{node}') wrong: {reason}"
        + (f"; so it does {', '.join(others)}" if others else ""),
        hint,
        op=op,
        node=node,
        refused_by="parser",
    )


def _empty(session: Session, builder: Any, flags: int) -> Parsed:
    session.forget_errors()
    network = builder.create_network(flags)
    return Parsed(builder, network, session.trt.OnnxParser(network, session.logger))


class NodeRefusal(NamedTuple):
    """A node that the parser does not take."""

    op: str
    node: str
    reason: str  # may be empty
    hint: str = ""  # what works instead, where that is known


def parser_refusals(parser: Any) -> list[NodeRefusal]:
    """The nodes that a failed parse names."""
    errors = (parser.get_error(index) for index in range(parser.num_errors))
    return [
        NodeRefusal(error.node_operator(), error.node_name(), parser_reason(error.desc()))
        for error in errors
        if error.node_operator()
    ]


def _parser_error(session: Session, parser: Any) -> PlanError:
    """The `PlanError` for a failed parse: the first error, and the ops of the others."""
    refusals = parser_refusals(parser)
    if not refusals:
        descriptions = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        reasons = [*map(parser_reason, descriptions), *map(bare, session.errors)]
        why = next((reason for reason in reasons if reason), "it gives no reason")
        return PlanError(
            f"{session.name} cannot read the ONNX model: {why}",
            "convert it to a newer opset: --opset 17"
            if "opset" in why
            else "check the file with onnx.checker, or export it again",
            refused_by="parser",
        )
    op, node, reason, _ = refusals[0]
    others = sorted({refusal.op for refusal in refusals} - {op})
    return PlanError(
        f"{session.name} does not take {op}"
        + (f" (node '{node}')" if node else "")
        + (f": {reason}" if reason else "")
        + (f"; nor {', '.join(others)}" if others else ""),
        plugin_hint(session, op, reason),
        op=op,
        node=node,
        refused_by="parser",
    )


def plugin_hint(session: Session, op: str, reason: str) -> str:
    """What would give TensorRT an op that it looked for among its plugins; "" for other reasons.

    It looks there for ops of ONNX's own too, such as NonZero; no plugin of a user is those.
    """
    import onnx

    if not reason.startswith("Plugin not found") or onnx.defs.has(op):
        return ""
    if session.runtime.name == TENSORRT_RTX:
        return "data-centre TensorRT takes it with a plugin: --runtime tensorrt --plugins FILE.so"
    return "give the file with the plugin that has it: --plugins FILE.so"


def _check_interface(session: Session, network: Any, model: OnnxModel) -> None:
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    for tensor in inputs:
        if tensor.is_shape_tensor:
            raise PlanError(
                f"the values of input '{tensor.name}' set the shape of other tensors; trtbuild "
                "makes no plans with such inputs",
                "make it a constant in the model, or cut the model behind it with --inputs",
            )
    for role, specs, tensors in (
        ("input", model.inputs, inputs),
        ("output", model.outputs, outputs),
    ):
        _check_tensors(session, role, specs, {tensor.name: tensor for tensor in tensors})


def _rank(tensor: Any) -> int | None:
    """How many dims a tensor of the network has; None: TensorRT does not know yet."""
    try:
        return len(tensor.shape)
    except ValueError:  # an unknown rank, as TensorRT's bindings say it
        return None


def _check_tensors(
    session: Session, role: str, specs: tuple[TensorSpec, ...], tensors: dict[str, Any]
) -> None:
    if missing := [spec.name for spec in specs if spec.name not in tensors]:
        raise PlanError(
            f"TensorRT's network has no {role} '{missing[0]}'; it has: {', '.join(tensors)}",
            "the model may not use it: cut it off with --inputs or --outputs",
        )
    for spec in specs:
        rank = _rank(tensors[spec.name])
        if rank is not None and rank != len(spec.shape):
            raise PlanError(
                f"{role} '{spec.name}' has {len(spec.shape)} dims, as the model declares it: "
                f"{spec}; in {session.name}'s network it has {rank}",
                "export the model anew: what it declares is not what it computes",
            )
        dtype = dtype_from_tensorrt(tensors[spec.name].dtype.name)
        if dtype is None or dtype.name != spec.dtype:
            there = dtype.name if dtype else tensors[spec.name].dtype.name
            raise PlanError(
                f"{role} '{spec.name}' is {spec.dtype}, of which {session.name} makes {there}",
                f"convert it first: --input '{spec.name}={there}'"
                if role == "input"
                else f"end the model in a Cast to {there}",
                dtype=spec.dtype,
            )
