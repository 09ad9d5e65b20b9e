"""What TensorRT for RTX takes and refuses, asked for real: a table to notice a new release by."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from tests.plan.models import (
    convolution,
    custom_op,
    elementwise,
    matmul,
    nonzero,
    quantized_matmul,
    saved,
    weight_only_matmul,
)
from tests.plan.runs import WatchedPool
from trtbuild.check_report import CheckReport, OpUse
from trtbuild.plan.check import check
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.plans import plans_from_onnx
from trtbuild.plan.profiles import ShapeOptions, profile_from_shapes
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo
from trtbuild.store import Store

FP32, FP16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16
EVERYWHERE = [str(target) for target in RTX_CAPABILITIES]
BELOW_89 = ["7.5", "8.0", "8.6"]

TABLE = {
    "fp32 MatMul": (matmul(FP32), ["7.5"], "MatMul", "fp32"),
    "fp32 Conv2d": (convolution(FP32, dims=2), [], "", ""),
    "fp32 Conv3d": (convolution(FP32, dims=3), ["7.5"], "Conv", "fp32"),
    "fp32 elementwise, softmax": (elementwise(), [], "", ""),
    "fp16 MatMul": (matmul(FP16), [], "", ""),
    "fp16 Conv2d": (convolution(FP16, dims=2), [], "", ""),
    "fp16 Conv3d": (convolution(FP16, dims=3), [], "", ""),
    "bf16 MatMul": (matmul(BF16), ["7.5"], "MatMul", "bf16"),
    "int8 QDQ, fp32 else": (quantized_matmul(TensorProto.INT8), ["7.5"], "MatMul", "fp32"),
    "int8 QDQ, fp16 else": (quantized_matmul(TensorProto.INT8, FP16), [], "", ""),
    "int8 weights, fp16 else": (weight_only_matmul(), [], "", ""),
    "fp8 QDQ": (
        quantized_matmul(TensorProto.FLOAT8E4M3FN, FP16),
        BELOW_89,
        "QuantizeLinear",
        "fp8e4m3fn",
    ),
    "NonZero": (nonzero(), EVERYWHERE, "NonZero", "fp32"),
    "an op of another domain": (custom_op(), EVERYWHERE, "com.acme::Foo", "fp32"),
}


def report_of(
    proto: onnx.ModelProto,
    folder: Path,
    runtime: RuntimeInfo,
    store: Store,
    pool: WatchedPool,
    shapes: ShapeOptions | None = None,
) -> CheckReport:
    model = saved(proto, folder)
    return check(
        model,
        RTX_CAPABILITIES,
        profile_from_shapes(model.inputs, shapes),
        PlanOptions(),
        runtime,
        store=store,
        pool=pool,
        workers=2,
    )


def test_a_form_that_tensorrt_gets_wrong_is_refused_by_name(
    rtx: RuntimeInfo, tmp_path: Path, store: Store, pool: WatchedPool
) -> None:
    """The parser takes a pool whose last window may start on the padding, and counts it."""
    pooling = onnx.helper.make_node(
        "MaxPool", ["x"], ["y"], name="pool", kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1
    )
    graph = onnx.helper.make_graph(
        [pooling],
        "g",
        [onnx.helper.make_tensor_value_info("x", FP32, ["n", 2, "h", 8])],
        [onnx.helper.make_tensor_value_info("y", FP32, ["n", 2, "i", 4])],
    )
    opsets = [onnx.helper.make_opsetid("", 17)]
    proto = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    shapes = ShapeOptions(max={"x": (4, 2, 8, 8)})
    report = report_of(proto, tmp_path, rtx, store, pool, shapes)
    for one in report.targets:
        assert not one.builds
        assert "MaxPool in fp32 (node 'pool') is refused for" in one.message
        assert "a last window may start on the padding" in one.message
        assert "give the sizes of its picture" in one.hint


@pytest.mark.parametrize("row", TABLE)
def test_what_each_target_refuses(
    row: str, rtx: RuntimeInfo, tmp_path: Path, store: Store, pool: WatchedPool
) -> None:
    proto, refusing, op, dtype = TABLE[row]
    report = report_of(proto, tmp_path, rtx, store, pool)
    assert [str(one.target) for one in report.targets] == EVERYWHERE
    assert [str(one.target) for one in report.targets if not one.builds] == refusing
    for one in report.targets:
        if one.builds:
            assert one.refused == ()
            assert one.message == ""
            continue
        first = one.refused[0]
        assert (first.op, first.dtype) == (op, dtype)
        assert one.message.startswith(f"{op} in {dtype} (node '")
        assert f"is refused for {one.target}: " in one.message
        assert one.hint == first.hint != ""


def test_a_report_counts_what_is_taken(
    rtx: RuntimeInfo, tmp_path: Path, store: Store, pool: WatchedPool
) -> None:
    report = report_of(matmul(FP32), tmp_path, rtx, store, pool)
    assert (report.runtime, report.runtime_version) == ("tensorrt-rtx", rtx.version)
    by_target = {str(one.target): one for one in report.targets}
    assert by_target["7.5"].taken == (OpUse("Relu", "fp32", 1),)
    assert by_target["8.0"].taken == (OpUse("MatMul", "fp32", 1), OpUse("Relu", "fp32", 1))
    assert by_target["8.0"].seconds > 0


def test_what_could_not_be_asked_is_neither_taken_nor_refused(
    rtx: RuntimeInfo, tmp_path: Path, store: Store, pool: WatchedPool
) -> None:
    one = report_of(custom_op(), tmp_path, rtx, store, pool).targets[0]
    assert one.taken == (OpUse("Relu", "fp32", 1),)
    assert one.unknown == (OpUse("Tanh", "fp32", 1),)


def test_a_conversion_after_a_check_builds_nothing(
    rtx: RuntimeInfo, tmp_path: Path, store: Store, pool: WatchedPool
) -> None:
    report_of(matmul(FP16), tmp_path, rtx, store, pool)
    model = saved(matmul(FP16), tmp_path)
    outcome = plans_from_onnx(
        model,
        RTX_CAPABILITIES,
        profile_from_shapes(model.inputs),
        PlanOptions(),
        rtx,
        store=store,
        pool=pool,
    )
    assert [plan.cached for plan in outcome.plans] == [True]
