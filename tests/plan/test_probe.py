from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.plan.models import custom_op, matmul, model, node, nonzero, saved, value, weight
from trtbuild.artifacts import OnnxModel
from trtbuild.capability import Capability
from trtbuild.check_report import OpUse
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.probe import _Prober, examine
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.subgraphs import Graph

T4, A10 = Capability(7, 5), Capability(8, 6)
FLOAT = TensorProto.FLOAT


@pytest.fixture
def spec(rtx: RuntimeInfo, tmp_path: Path) -> PlanSpec:
    """Five ops, of which 7.5 refuses the third and the fifth."""
    proto = model(
        [
            node("Relu", ["x"], ["a"], "one"),
            node("Tanh", ["a"], ["b"], "two"),
            node("MatMul", ["b", "w"], ["c"], "three"),
            node("Relu", ["c"], ["d"], "four"),
            node("MatMul", ["d", "w"], ["y"], "five"),
        ],
        [value("x", FLOAT, ["batch", 16])],
        [value("y", FLOAT, ["batch", 16])],
        [weight("w", (16, 16), FLOAT)],
    )
    saved_model = saved(proto, tmp_path)
    profile = profile_from_shapes(saved_model.inputs)
    return PlanSpec(saved_model, profile, PlanOptions(), (T4,), rtx)


def test_refused_ops_are_found_and_the_others_left_out(spec: PlanSpec) -> None:
    found = examine(spec)
    assert found.used == (
        OpUse("Relu", "fp32", 2),
        OpUse("Tanh", "fp32", 1),
        OpUse("MatMul", "fp32", 2),
    )
    (refusal,) = found.refused["7.5"]
    assert (refusal.op, refusal.dtype, refusal.nodes) == ("MatMul", "fp32", ("three", "five"))
    assert refusal.reason == "FP32 GEMM is not supported"
    assert found.unknown == ()


def test_what_a_hint_promises_was_built(spec: PlanSpec) -> None:
    (refusal,) = examine(spec).refused["7.5"]
    assert refusal.hint == (
        "it builds for 7.5 with --precision fp16; "
        "as it is it builds for 8.0, 8.6, 8.9, 12.0 and 12.1"
    )


def test_without_a_target_it_only_counts(spec: PlanSpec, rtx: RuntimeInfo) -> None:
    nobody = PlanSpec(spec.model, spec.profile, spec.options, (), rtx)
    found = examine(nobody)
    assert [use.op for use in found.used] == ["Relu", "Tanh", "MatMul"]
    assert found.refused == {}


def test_a_target_that_takes_everything_refuses_nothing(spec: PlanSpec, rtx: RuntimeInfo) -> None:
    both = PlanSpec(spec.model, spec.profile, spec.options, (T4, A10), rtx)
    refused = examine(both).refused
    assert refused["8.6"] == ()
    assert [refusal.op for refusal in refused["7.5"]] == ["MatMul"]


def test_ever_longer_beginnings_find_the_first_that_fails(spec: PlanSpec) -> None:
    assert isinstance(spec.model, OnnxModel)
    prober = _Prober(spec, Graph(spec.model, spec.profile))
    (refusal,) = prober.bisected(T4)
    assert (refusal.op, refusal.dtype, refusal.nodes) == ("MatMul", "fp32", ("three",))
    assert refusal.hint == "7.5 takes each op alone, and the model up to this one"
    assert prober.bisected(A10) == []


def test_what_lies_behind_an_unknown_op_is_not_judged(rtx: RuntimeInfo, tmp_path: Path) -> None:
    saved_model = saved(custom_op(), tmp_path)
    profile = profile_from_shapes(saved_model.inputs)
    found = examine(PlanSpec(saved_model, profile, PlanOptions(), (A10,), rtx))
    assert [refusal.op for refusal in found.refused["8.6"]] == ["com.acme::Foo"]
    assert found.unknown == (OpUse("Tanh", "fp32", 1),)


def nms(*, casts: bool = False) -> onnx.ModelProto:
    """NonMaxSuppression behind a computed tensor, which --precision fp16 makes fp16 there."""
    between = [node("Mul", ["raw", "two"], ["boxes"], "scale")]
    half: type = np.float32
    if casts:
        between = [
            node("Cast", ["raw"], ["raw__fp16"], "raw__cast_fp16", to=TensorProto.FLOAT16),
            node("Mul", ["raw__fp16", "two"], ["boxes"], "scale"),
            node("Cast", ["boxes"], ["boxes__fp32"], "boxes__cast_fp32", to=FLOAT),
        ]
        half = np.float16
    boxes = "boxes__fp32" if casts else "boxes"
    return model(
        [
            *between,
            node("NonMaxSuppression", [boxes, "scores", "k", "iou", "score"], ["found"], "nms"),
        ],
        [value("raw", FLOAT, [1, 50, 4]), value("scores", FLOAT, [1, 1, 50])],
        [value("found", TensorProto.INT64, ["n", 3])],
        [
            numpy_helper.from_array(np.array(2, half), "two"),
            numpy_helper.from_array(np.array([10]), "k"),
            numpy_helper.from_array(np.array([0.5], np.float32), "iou"),
            numpy_helper.from_array(np.array([0.1], np.float32), "score"),
        ],
    )


@pytest.mark.parametrize("casts", [False, True])
def test_a_type_that_onnx_has_no_form_for_is_not_promised(
    casts: bool, rtx: RuntimeInfo, tmp_path: Path
) -> None:
    """TensorRT takes a cut-out NonMaxSuppression in fp16, which no ONNX file can ask for."""
    saved_model = saved(nms(casts=casts), tmp_path)
    profile = profile_from_shapes(saved_model.inputs)
    (refusal,) = examine(PlanSpec(saved_model, profile, PlanOptions(), (A10,), rtx)).refused["8.6"]
    assert refusal.op == "NonMaxSuppression"
    assert refusal.hint == (
        "nothing that was tried makes it build for 8.6: end the model before it, with "
        "--outputs boxes, or export the model without it"
    )


def test_a_precision_that_the_model_has_already_is_not_promised(
    rtx: RuntimeInfo, tmp_path: Path
) -> None:
    """--precision leaves the fp32 nodes of a graph that holds fp16 as they are."""
    proto = matmul(TensorProto.FLOAT)
    half = node("Cast", ["z"], ["half"], "half", to=TensorProto.FLOAT16)
    proto.graph.node.append(half)
    proto.graph.output.append(value("half", TensorProto.FLOAT16, ["batch", 32]))
    saved_model = saved(proto, tmp_path)
    profile = profile_from_shapes(saved_model.inputs)
    (refusal,) = examine(PlanSpec(saved_model, profile, PlanOptions(), (T4,), rtx)).refused["7.5"]
    assert refusal.hint == "as it is it builds for 8.0, 8.6, 8.9, 12.0 and 12.1"


@pytest.mark.parametrize("cut", [True, False])
def test_where_the_model_can_be_cut_is_named(cut: bool, rtx: RuntimeInfo, tmp_path: Path) -> None:
    proto = nonzero()
    if not cut:  # NonZero reads the model's own input
        del proto.graph.node[0]
        proto.graph.node[0].input[0] = "x"
    saved_model = saved(proto, tmp_path)
    profile = profile_from_shapes(saved_model.inputs)
    found = examine(PlanSpec(saved_model, profile, PlanOptions(), (A10,), rtx))
    (refusal,) = found.refused["8.6"]
    end = "end the model before it, with --outputs a, or " if cut else ""
    assert refusal.hint == f"tensorrt-rtx takes it for no target: {end}export the model without it"


def test_shapes_computed_by_a_refused_op_are_not_blamed_on_others(
    rtx: RuntimeInfo, tmp_path: Path
) -> None:
    proto = model(
        [
            node("NonZero", ["x"], ["where"], "nz"),
            node("Shape", ["where"], ["s"], "shape"),
            node("ConstantOfShape", ["s"], ["y"], "fill"),
        ],
        [value("x", FLOAT, [4])],
        [value("y", FLOAT, ["one", "count"])],
    )
    saved_model = saved(proto, tmp_path)
    found = examine(PlanSpec(saved_model, {}, PlanOptions(), (A10,), rtx))
    assert [refusal.op for refusal in found.refused["8.6"]] == ["NonZero"]


def test_fp16_needs_no_help_on_any_target(rtx: RuntimeInfo, tmp_path: Path) -> None:
    saved_model = saved(matmul(), tmp_path)
    profile = profile_from_shapes(saved_model.inputs)
    found = examine(PlanSpec(saved_model, profile, PlanOptions(), rtx.capabilities, rtx))
    assert set(found.refused.values()) == {()}
