import numpy as np
import onnx
import pytest

from tests.surgery.models import f32, model, node
from trtbuild.backend.tensors import as_model, as_network, check_types, numpy_type
from trtbuild.errors import PlanError


def identity(dtype: str) -> onnx.ModelProto:
    return model([node("Identity", ["x"], ["y"])], [f"x {dtype} [2]"], [f"y {dtype} [2]"], opset=25)


@pytest.mark.parametrize("dtype", ["fp32", "fp16", "bf16", "int64", "int8", "bool", "fp8e4m3fn"])
def test_types_that_tensorrt_has(dtype: str) -> None:
    check_types(identity(dtype))


@pytest.mark.parametrize(
    "dtype", ["uint8", "int16", "uint16", "uint32", "int4", "uint4", "fp8e5m2", "fp4e2m1"]
)
def test_types_that_a_wider_one_holds(dtype: str) -> None:
    check_types(identity(dtype))


@pytest.mark.parametrize(
    ("dtype", "why"),
    [
        ("fp64", "computes no fp64"),
        ("uint64", "int64 does not hold all of its values"),
        ("string", "has no strings"),
        ("complex64", "has no complex64"),
    ],
)
def test_types_that_would_lose_something(dtype: str, why: str) -> None:
    with pytest.raises(PlanError, match=f"input 'x' is {dtype}: TensorRT .*{why}") as error:
        check_types(identity(dtype))
    assert error.value.refused_by == "parser"
    assert error.value.dtype == dtype


def test_a_sequence() -> None:
    made = onnx.ModelProto()
    kind = onnx.helper.make_sequence_type_proto(onnx.helper.make_tensor_type_proto(1, [2]))
    made.graph.input.append(onnx.helper.make_value_info("s", kind))
    with pytest.raises(PlanError, match="input 's' is a sequence; TensorRT takes tensors only"):
        check_types(made)


def test_an_initializer_is_no_input() -> None:
    made = model([node("Add", ["x", "w"], ["y"])], ["x fp32 [2]"], ["y fp32 [2]"], {"w": f32(2)})
    weight = onnx.helper.make_tensor_value_info("w", onnx.TensorProto.DOUBLE, [2])
    made.graph.input.append(weight)
    check_types(made)


def test_numpys_types() -> None:
    assert numpy_type(onnx.TensorProto.FLOAT16) == np.float16
    assert numpy_type(onnx.TensorProto.BFLOAT16).name == "bfloat16"


def test_into_the_network_and_back() -> None:
    numbers = np.array([-1, 0, 100], np.int16)
    wide = as_network(numbers, onnx.TensorProto.INT32)
    assert wide.dtype == np.int32
    assert as_model(wide, onnx.TensorProto.INT16).tolist() == [-1, 0, 100]


@pytest.mark.parametrize("number", [onnx.TensorProto.FLOAT8E5M2, onnx.TensorProto.FLOAT4E2M1])
def test_floats_by_their_codes(number: int) -> None:
    numbers = np.array([-1, 0, 1.5], numpy_type(number))
    codes = as_network(numbers, onnx.TensorProto.INT32)
    assert codes.dtype == np.int32
    back = as_model(codes, number)
    assert back.dtype == numbers.dtype
    assert back.astype(np.float32).tolist() == [-1, 0, 1.5]


def test_what_the_network_has_too_stays() -> None:
    for array in (np.zeros(2, np.float32), np.zeros(2, numpy_type(onnx.TensorProto.BFLOAT16))):
        number = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
        assert as_network(array, number) is array
        assert as_model(array, number) is array
