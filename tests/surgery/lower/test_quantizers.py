from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import Array, apply, f32, job, model, node, ops, run
from trtbuild.surgery.graph import model_from_graph
from trtbuild.surgery.lower.quantizers import Quantizers

RNG = np.random.default_rng(0)


def compare(made: onnx.ModelProto, gone: str, **inputs: Array) -> None:
    work = job(made)
    assert apply(Quantizers(), work).changed
    assert gone not in ops(work.graph)
    expected = run(made, **inputs)
    got = run(model_from_graph(work.graph), **inputs)
    for name, array in expected.items():
        assert got[name].dtype == array.dtype
        np.testing.assert_allclose(got[name], array, rtol=1e-6)


@pytest.mark.parametrize("name", ["uint8", "int8", "uint16", "int16"])
@pytest.mark.parametrize("along", ["tensor", "channel"])
def test_quantize_and_back(tmp_path: Path, name: str, along: str) -> None:
    scale = np.float32(0.25) if along == "tensor" else np.array([0.25, 2, 0.01], np.float32)
    zero = np.full(scale.shape, 3, name)
    made = model(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=1),
            node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=1),
        ],
        ["x fp32 [2, 3, 4]"],
        [f"q {name} [2, 3, 4]", "y fp32 [2, 3, 4]"],
        {"s": scale, "z": zero},
        opset=21,
    )
    x = f32(2, 3, 4) * 300
    x[0, 0] = [0.125, 0.375, -0.125, 0.625]  # halves: to the even number
    compare(made, "QuantizeLinear", x=x)


def test_products_of_integers_are_exact() -> None:
    a, b = (RNG.integers(0, 256, shape).astype(np.uint8) for shape in ((3, 200), (200, 5)))
    made = model(
        [node("MatMulInteger", ["a", "b", "za", "zb"], ["y"])],
        ["a uint8 [3, 200]", "b uint8 [200, 5]"],
        ["y int32 [3, 5]"],
        {"za": np.uint8(12), "zb": np.uint8(130)},
    )
    compare(made, "MatMulInteger", a=a, b=b)


def test_a_sum_that_fp32_may_not_hold_is_left_alone() -> None:
    made = model(
        [node("MatMulInteger", ["a", "b"], ["y"])],
        ["a uint8 [3, 300]", "b uint8 [300, 5]"],
        ["y int32 [3, 5]"],
    )
    assert not apply(Quantizers(), job(made)).changed


def test_convolution_of_integers() -> None:
    made = model(
        [node("ConvInteger", ["x", "w", "zx"], ["y"], pads=[1, 1, 1, 1])],
        ["x uint8 [1, 2, 4, 4]"],
        ["y int32 [1, 3, 4, 4]"],
        {"w": RNG.integers(0, 256, (3, 2, 3, 3)).astype(np.uint8), "zx": np.uint8(7)},
    )
    compare(made, "ConvInteger", x=RNG.integers(0, 256, (1, 2, 4, 4)).astype(np.uint8))


def test_matrix_product_of_quantized_values() -> None:
    made = model(
        [node("QLinearMatMul", ["a", "sa", "za", "b", "sb", "zb", "sy", "zy"], ["y"])],
        ["a uint8 [2, 4]", "b uint8 [4, 3]"],
        ["y uint8 [2, 3]"],
        {
            "sa": np.float32(0.0066), "za": np.uint8(113),
            "sb": np.float32(0.00705), "zb": np.uint8(114),
            "sy": np.float32(0.0107), "zy": np.uint8(118),
        },
    )  # fmt: skip
    a, b = (RNG.integers(0, 256, shape).astype(np.uint8) for shape in ((2, 4), (4, 3)))
    compare(made, "QLinearMatMul", a=a, b=b)


def test_convolution_of_quantized_values() -> None:
    made = model(
        [node("QLinearConv", ["x", "sx", "zx", "w", "sw", "zw", "sy", "zy"], ["y"])],
        ["x uint8 [1, 1, 4, 4]"],
        ["y uint8 [1, 2, 3, 3]"],
        {
            "sx": np.float32(0.004), "zx": np.uint8(132),
            "w": RNG.integers(0, 256, (2, 1, 2, 2)).astype(np.uint8),
            "sw": np.float32(0.0017), "zw": np.uint8(255),
            "sy": np.float32(0.0016), "zy": np.uint8(123),
        },
    )  # fmt: skip
    compare(made, "QLinearConv", x=RNG.integers(0, 256, (1, 1, 4, 4)).astype(np.uint8))


def test_what_tensorrt_quantizes_is_left_alone() -> None:
    made = model(
        [node("DequantizeLinear", ["q", "s"], ["y"])],
        ["q int8 [2, 3]"],
        ["y fp32 [2, 3]"],
        {"s": np.float32(0.1)},
    )
    assert not apply(Quantizers(), job(made)).changed


@pytest.mark.parametrize(("axis", "blocks"), [(1, [2, 3, 4]), (0, [1, 6, 4]), (2, [2, 6, 2])])
def test_a_scale_for_each_block(axis: int, blocks: list[int]) -> None:
    scale = np.abs(f32(*blocks)) + 0.1
    zero = RNG.integers(0, 9, blocks).astype(np.uint8)
    made = model(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"], axis=axis, block_size=2),
            node("DequantizeLinear", ["q", "s", "z"], ["y"], axis=axis, block_size=2),
        ],
        ["x fp32 [2, 6, 4]"],
        ["q uint8 [2, 6, 4]", "y fp32 [2, 6, 4]"],
        {"s": scale, "z": zero},
        opset=21,
    )
    compare(made, "QuantizeLinear", x=f32(2, 6, 4) * 9)
