import numpy as np
import onnx_graphsurgeon as gs
import pytest

from tests.surgery.models import f32, job, model, node
from trtbuild.surgery.precision.types import (
    BF16,
    FP16,
    FP32,
    FP64,
    may_be,
    uses,
)


def of(op: str, domain: str | None = None) -> gs.Node:
    return gs.Node(op, domain=domain)


@pytest.mark.parametrize(
    ("op", "opset", "low", "index", "output", "expected"),
    [
        ("Conv", 17, FP16, 0, False, True),
        ("Conv", 17, BF16, 0, False, False),
        ("Conv", 22, BF16, 1, False, True),
        ("Conv", 22, BF16, 0, True, True),
        ("Resize", 17, FP16, 0, False, True),
        ("Resize", 17, FP16, 2, False, False),  # scales are fp32 always
        ("TopK", 17, FP16, 0, True, True),
        ("TopK", 17, FP16, 1, True, False),  # indices
        ("NonMaxSuppression", 17, FP16, 0, False, False),
        ("DequantizeLinear", 17, FP16, 0, True, False),
        ("DequantizeLinear", 19, FP16, 0, True, True),
        ("Concat", 17, FP16, 9, False, True),  # the last input is repeated
        ("BatchNormalization", 15, FP16, 0, False, True),
        ("BatchNormalization", 15, FP16, 3, False, False),  # the mean may stay fp32
        ("BatchNormalization", 9, FP16, 3, False, True),  # there it may not
        ("NoSuchOp", 17, FP16, 0, False, False),
    ],
)
def test_onnx_itself_says_what_a_place_may_hold(
    op: str, opset: int, low: int, index: int, output: bool, expected: bool
) -> None:
    assert may_be(of(op), opset, low, index, output) is expected


def test_nothing_is_known_of_ops_of_other_domains() -> None:
    assert may_be(of("Relu", "acme"), 17, FP16, 0) is False


def test_types_are_found_in_weights_and_tensors() -> None:
    made = model(
        [node("Cast", ["x"], ["d"], to=FP64), node("Add", ["d", "w"], ["s"]),
         node("Cast", ["s"], ["y"], to=FP32)],
        ["x fp32 [n]"],
        ["y fp32 [n]"],
        {"w": f32(1).astype(np.float64)},
    )  # fmt: skip
    graph = job(made).graph
    assert uses(graph, {FP64})
    assert not uses(graph, {FP16, BF16})
