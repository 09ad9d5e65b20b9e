from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node, run

PADDED: dict[str, Any] = {"kernel_shape": [3, 2], "pads": [1, 0, 2, 1], "strides": [2, 1]}


def pool(op: str, shape: str = "n, 2, 9, 8", **attrs: Any) -> onnx.ModelProto:
    return model(
        [node(op, ["x"], ["y"], **attrs)], [f"x fp32 [{shape}]"], ["y fp32 [n, 2, h, w]"], opset=22
    )


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize("ceil", [0, 1])
def test_dilations(tmp_path: Path, op: str, ceil: int) -> None:
    """Of LpPool by ONNX Runtime: onnx's reference scales its last windows with ceil_mode."""
    made = pool(op, dilations=[2, 3], ceil_mode=ceil, **PADDED)
    check_rewritten(tmp_path, made, by_reference=op != "LpPool", x=f32(2, 2, 9, 8))


@pytest.mark.parametrize("ceil", [0, 1])
def test_padding_that_counts(tmp_path: Path, ceil: int) -> None:
    made = pool("AveragePool", dilations=[2, 1], ceil_mode=ceil, count_include_pad=1, **PADDED)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 9, 8))


@pytest.mark.parametrize("pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_other_norms_and_pads_by_name(tmp_path: Path, pad: str) -> None:
    made = pool("LpPool", kernel_shape=[2, 3], strides=[2, 2], auto_pad=pad, p=3)
    check_rewritten(tmp_path, made, by_reference=True, x=f32(2, 2, 9, 8))


def test_integers() -> None:
    """Widened afterwards by the backend, so that TensorRT has a type for them."""
    from trtbuild.surgery.specialize import specialize

    made = model(
        [node("MaxPool", ["x"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        ["x uint8 [1, 1, 5, 5]"],
        ["y uint8 [1, 1, 5, 5]"],
    )
    x = np.random.default_rng(0).integers(0, 255, (1, 1, 5, 5)).astype(np.uint8)
    wide = specialize(made, {"x": x.shape}, frozenset()).model
    assert "MaxPool" not in {entry.op_type for entry in wide.graph.node}
    want, got = run(made, x=x)["y"], run(wide, x=x.astype(np.int32))["y"]
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    "made",
    [
        pool("MaxPool", kernel_shape=[2, 2]),
        pool("MaxPool", "n, 2, h, 8", kernel_shape=[2, 2], dilations=[2, 2]),
        pool("MaxPool", "n, 2, 99, 99", kernel_shape=[70, 2], dilations=[1, 2]),
        pool("LpPool", kernel_shape=[2, 2], p=2),
    ],
)
def test_what_tensorrt_has_or_sizes_that_vary_are_left_alone(made: onnx.ModelProto) -> None:
    check_left_alone(made)
