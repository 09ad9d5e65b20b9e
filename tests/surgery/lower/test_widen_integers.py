from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pytest

from tests.surgery import rtx
from tests.surgery.models import Array, apply, job, model, node, ops, run
from trtbuild.errors import SurgeryError
from trtbuild.surgery.graph import model_from_graph
from trtbuild.surgery.lower.widen_integers import WidenIntegers

TYPES = {"int8": np.int8, "uint8": np.uint8, "int16": np.int16, "uint16": np.uint16}
WIDE = {"int8": "int32", "uint8": "int32", "int16": "int32", "uint16": "int32", "uint32": "int64"}


def widened(made: onnx.ModelProto) -> onnx.ModelProto:
    work = job(made)
    assert apply(WidenIntegers(), work).changed
    return model_from_graph(work.graph)


def ends(name: str) -> tuple[Array, Array]:
    """Pairs of values from the whole range of a type."""
    info = np.iinfo(name)
    left = np.array([info.min, info.max, info.max, 3, info.max // 2 + 1, 7], name)
    return left, np.array([1, 1, info.max, 5, 2, 2], name)


@pytest.mark.parametrize("name", [*TYPES, "uint32"])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Less", "Max"])
def test_values_are_those_of_the_narrow_type(tmp_path: Path, name: str, op: str) -> None:
    """NumPy tells what is right: arithmetic wraps round.

    onnx's reference runs the result: ONNX Runtime 1.31 compares the low halves of int64 in Max.
    """
    made = model(
        [node(op, ["a", "b"], ["y"])],
        [f"a {name} [6]", f"b {name} [6]"],
        [f"y {'bool' if op == 'Less' else name} [6]"],
    )
    a, b = ends(name)
    functions = {
        "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Less": np.less,
        "Max": np.maximum, "Div": lambda x, y: np.trunc(x / y).astype(x.dtype),
    }  # fmt: skip
    with np.errstate(over="ignore"):
        want = functions[op](a, b)  # type: ignore[operator] # of one signature here
    result = widened(made)
    wide = WIDE[name]
    feed = {"a": a.astype(wide), "b": b.astype(wide)}
    got: Any
    (got,) = onnx.reference.ReferenceEvaluator(result).run(None, feed)
    np.testing.assert_array_equal(got.astype(want.dtype), want)
    assert (got == want).all(), "a wide value is the narrow one, before it is cast back"
    path = tmp_path / "wide.onnx"
    onnx.save(result, path)
    assert rtx.build(path, "SM89") == ""


def test_a_chain_wraps_at_each_step() -> None:
    """(200 + 100) mod 256 // 2 is 22, not 150."""
    made = model(
        [node("Add", ["a", "b"], ["s"]), node("Div", ["s", "two"], ["y"])],
        ["a uint8 [1]", "b uint8 [1]"],
        ["y uint8 [1]"],
        {"two": np.array([2], np.uint8)},
    )
    got = run(widened(made), a=np.array([200], np.int32), b=np.array([100], np.int32))["y"]
    assert got.tolist() == [22]


def test_casts_and_constants() -> None:
    made = model(
        [node("Cast", ["x"], ["i"], to=3), node("Add", ["i", "w"], ["y"])],
        ["x fp32 [3]"],
        ["y int8 [3]"],
        {"w": np.array([1, -1, 100], np.int8)},
    )
    got = run(widened(made), x=np.array([1.9, -3.2, 100], np.float32))["y"]
    assert got.tolist() == [2, -4, -56]


def test_int8_that_tells_what_to_quantize_stays() -> None:
    made = model(
        [node("QuantizeLinear", ["x", "s"], ["q"]), node("DequantizeLinear", ["q", "s"], ["y"])],
        ["x fp32 [3]"],
        ["y fp32 [3]"],
        {"s": np.float32(0.1)},
        opset=19,
    )
    work = job(made)
    for tensor in work.graph.tensors().values():
        if tensor.name == "q":
            tensor.dtype = onnx.TensorProto.INT8
    assert not apply(WidenIntegers(), work).changed


def test_an_op_whose_values_would_change_is_refused() -> None:
    made = model(
        [node("BitwiseXor", ["a", "a"], ["y"], name="bits")],
        ["a uint8 [3]"],
        ["y uint8 [3]"],
        opset=18,
    )
    with pytest.raises(SurgeryError, match=r"node 'bits' \(BitwiseXor\) computes in uint8"):
        apply(WidenIntegers(), job(made))


def test_other_types_are_left_alone() -> None:
    made = model([node("Neg", ["x"], ["y"])], ["x int64 [3]"], ["y int64 [3]"])
    work = job(made)
    assert apply(WidenIntegers(), work) == (
        False,
        "the model has no integers of another width than TensorRT's",
    )
    assert ops(work.graph) == ["Neg"]
