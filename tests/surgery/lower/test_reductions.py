from pathlib import Path

import numpy as np
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, i64, model, node, operated, ops, run

COMPOUND = ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare")


@pytest.mark.parametrize("op", COMPOUND)
@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("opset", [17, 18])
def test_axes_as_an_attribute_and_as_an_input(
    tmp_path: Path, op: str, keepdims: int, opset: int
) -> None:
    """TensorRT 10.6 ignores the axes of a ReduceLogSumExp of opset 18, which are an input."""
    shape = "[3, 1, 2]" if keepdims else "[3, 2]"
    if opset == 17:
        made = node(op, ["x"], ["y"], axes=[1], keepdims=keepdims)
        weights = {}
    else:
        made, weights = node(op, ["x", "axes"], ["y"], keepdims=keepdims), {"axes": i64(1)}
    built = model([made], ["x fp32 [3, 4, 2]"], [f"y fp32 {shape}"], weights, opset=opset)
    check_rewritten(tmp_path, built, x=np.abs(f32(3, 4, 2)) + 0.1)


@pytest.mark.parametrize("op", [*COMPOUND, "ReduceMax"])
def test_nothing_to_reduce_along(tmp_path: Path, op: str) -> None:
    made = model(
        [node(op, ["x"], ["y"], noop_with_empty_axes=1)],
        ["x fp32 [3, 4]"],
        ["y fp32 [3, 4]"],
        opset=18,
    )
    check_rewritten(tmp_path, made, by_reference=True, x=np.abs(f32(3, 4)) + 0.1)


def test_large_and_infinite_values_do_not_overflow(tmp_path: Path) -> None:
    made = model(
        [node("ReduceLogSumExp", ["x"], ["y"], axes=[1], keepdims=0)],
        ["x fp32 [4, 2]"],
        ["y fp32 [4]"],
    )
    result = operated(tmp_path, made, batch="keep")
    inf = np.inf
    x = np.array([[1000, 1000], [-1000, -1001], [-inf, -inf], [inf, 0]], np.float32)
    want = np.array([1000 + np.log(2), -1000 + np.log1p(np.exp(-1)), -inf, inf])
    np.testing.assert_allclose(run(result.onnx, x=x)["y"], want, rtol=1e-6)


def test_plain_reductions_are_left_alone() -> None:
    check_left_alone(
        model([node("ReduceMean", ["x"], ["y"], axes=[1])], ["x fp32 [n, 3]"], ["y fp32 [n, 1]"])
    )


def test_a_size_that_varies(tmp_path: Path) -> None:
    made = model([node("ReduceL2", ["x"], ["y"], axes=[-1])], ["x fp32 [n, 3]"], ["y fp32 [n, 1]"])
    result = operated(tmp_path, made)
    assert ops(result.model) == ["Mul", "ReduceSum", "Sqrt"]
    np.testing.assert_allclose(
        run(result.onnx, x=f32(5, 3))["y"], run(made, x=f32(5, 3))["y"], rtol=1e-5
    )
