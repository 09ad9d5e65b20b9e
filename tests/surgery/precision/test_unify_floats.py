from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.surgery.models import (
    Array,
    apply,
    f32,
    job,
    model,
    node,
    note,
    operated,
    ops,
    run,
    value,
)
from trtbuild.errors import SurgeryError
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.precision.types import FP32, FP64
from trtbuild.surgery.precision.unify_floats import UnifyFloats
from trtbuild.tensor import input_override_from_text as override


def mixed(dtype: str, array: Array) -> onnx.ModelProto:
    """An fp32 input cast to `dtype`, a large weight of it, a generated tensor, and out again."""
    kind = helper.np_dtype_to_tensor_dtype(array.dtype)
    ones = numpy_helper.from_array(np.ones(1, array.dtype))
    return model(
        [
            node("Cast", ["x"], ["wide"], to=kind),
            node("MatMul", ["wide", "w"], ["m"]),
            node("ConstantOfShape", ["size"], ["c"], value=ones),
            node("Add", ["m", "c"], ["y"]),
        ],
        ["x fp32 [n, 64]"],
        [f"y {dtype} [n, 64]"],
        {"w": array, "size": np.array([64])},
    )


@pytest.mark.parametrize(
    ("dtype", "numpy_type", "precision"),
    [("fp64", np.float64, "keep"), ("fp64", np.float64, "fp32"), ("fp16", np.float16, "fp32")],
)
def test_every_place_of_a_type_becomes_fp32(
    tmp_path: Path, dtype: str, numpy_type: type, precision: str
) -> None:
    made = mixed(dtype, f32(64, 64).astype(numpy_type))
    result = operated(tmp_path, made, precision=precision)
    assert note(result, "unify_floats").changed
    assert dtype in note(result, "unify_floats").note
    assert ops(result.model) == ["ConstantOfShape", "MatMul", "Add"]
    assert str(result.model.outputs[0]) == "y fp32 [n, 64]"
    x = f32(2, 64)
    expected = x @ f32(64, 64).astype(numpy_type).astype(np.float32) + 1
    np.testing.assert_allclose(run(result.onnx, x=x)["y"], expected, rtol=1e-4, atol=1e-4)
    assert result.reference is not None
    assert str(result.reference.outputs[0]) == f"y {dtype} [n, 64]"


def test_fp16_stays_when_precision_is_kept() -> None:
    work = job(mixed("fp16", f32(64, 64).astype(np.float16)))
    assert apply(UnifyFloats(), work) == (False, "the model has no fp64")


def test_the_inside_of_subgraphs_is_turned_too(tmp_path: Path) -> None:
    two = numpy_helper.from_array(np.array([2.0]), "two")

    def branch(op: str) -> onnx.GraphProto:
        nodes = [node(op, ["x", "two"], [f"{op}_out"])]
        return helper.make_graph(nodes, op, [], [value(f"{op}_out fp64 [n]")], [two])

    choose = node("If", ["c"], ["y"], then_branch=branch("Mul"), else_branch=branch("Add"))
    made = model([choose], ["x fp64 [n]", "c bool [1]"], ["y fp64 [n]"])
    result = operated(tmp_path, made)
    assert [spec.dtype for spec in result.model.inputs] == ["fp32", "bool"]
    x = np.array([1.5, -3], np.float32)
    for taken, expected in ((True, x * 2), (False, x + 2)):
        y = run(result.onnx, x=x, c=np.array([taken]))["y"]
        np.testing.assert_array_equal(y, expected)


def test_an_input_whose_type_was_given_keeps_it(tmp_path: Path) -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    result = operated(tmp_path, made, precision="fp32", overrides=(override("x=fp16"),))
    assert result.model.inputs[0].dtype == "fp16"
    assert result.model.outputs[0].dtype == "fp32"


def test_a_type_left_over_breaks_the_promise() -> None:
    work = job(mixed("fp64", f32(64, 64).astype(np.float64)))
    with pytest.raises(ContractError, match="is still fp64"):
        UnifyFloats().ensures(work)
    assert {FP32, FP64} == {1, 11}


def test_the_bits_of_fp64_cannot_be_had() -> None:
    nodes = [node("Cast", ["x"], ["d"], to=FP64), node("BitCast", ["d"], ["y"], name="bits", to=7)]
    made = model(nodes, ["x fp32 [n]"], ["y int64 [n]"], opset=26)
    with pytest.raises(SurgeryError) as caught:
        apply(UnifyFloats(), job(made))
    assert caught.value.message == (
        "node 'bits' (BitCast) reads the bits of fp64, which cannot be made fp32"
    )
