import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tritonclient.utils import triton_to_np_dtype

from trtbuild import tensor
from trtbuild.errors import UsageError
from trtbuild.tensor import (
    DTYPES,
    InputOverride,
    TensorSpec,
    dtype_from_kserve,
    dtype_from_numpy,
    dtype_from_onnx,
    dtype_from_tensorrt,
    dtype_from_text,
    dtype_from_triton,
    input_override_from_text,
    shape_text,
)


@pytest.mark.parametrize("number", TensorProto.DataType.values())
def test_the_table_agrees_with_onnx(number: int) -> None:
    if number == TensorProto.UNDEFINED:
        assert dtype_from_onnx(number) is None
        return
    row = dtype_from_onnx(number)
    assert row is not None
    expected = np.dtype(helper.tensor_dtype_to_np_dtype(number)).name
    assert row.numpy == expected


def test_the_table_agrees_with_triton() -> None:
    from tritonclient.grpc import model_config_pb2

    theirs = set(model_config_pb2.DataType.keys()) - {"TYPE_INVALID"}
    assert {row.triton for row in DTYPES.values() if row.triton} == theirs
    for row in DTYPES.values():
        if row.kserve and row.kserve != "BF16":
            assert np.dtype(triton_to_np_dtype(row.kserve)).name == row.numpy


def test_the_table_agrees_with_tensorrt() -> None:
    trt = pytest.importorskip("tensorrt_rtx")
    ours = {row.tensorrt for row in DTYPES.values() if row.tensorrt}
    assert ours == set(trt.DataType.__members__)


@pytest.mark.parametrize("row", DTYPES.values(), ids=lambda row: row.name)
def test_every_spelling_leads_back_to_its_row(row: tensor.DType) -> None:
    assert dtype_from_text(row.name) is row
    assert dtype_from_onnx(row.onnx) is row
    assert dtype_from_numpy(row.numpy) is row
    for spelling, look_up in (
        (row.triton, dtype_from_triton),
        (row.kserve, dtype_from_kserve),
        (row.tensorrt, dtype_from_tensorrt),
    ):
        assert not spelling or look_up(spelling) is row


@pytest.mark.parametrize(
    ("text", "name"),
    [("float32", "fp32"), ("TYPE_FP16", "fp16"), ("BFloat16", "bf16"), ("bytes", "string")],
)
def test_other_spellings_of_a_dtype(text: str, name: str) -> None:
    assert dtype_from_text(text).name == name


def test_an_unknown_dtype_lists_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"^no data type is called 'fp17'; there are bool, uint8"):
        dtype_from_text("fp17")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "image=fp32[batch,3,224,224]",
            InputOverride("image", "fp32", ("batch", 3, 224, 224)),
        ),
        ("image=fp16", InputOverride("image", "fp16", None)),
        ("image=[ n , 3 ]", InputOverride("image", None, ("n", 3))),
        ("image", InputOverride("image")),
        ("serving_default_x:0=int64[n]", InputOverride("serving_default_x:0", "int64", ("n",))),
        ("scale=fp32[]", InputOverride("scale", "fp32", ())),
    ],
)
def test_input_texts(text: str, expected: InputOverride) -> None:
    assert input_override_from_text(text) == expected


@pytest.mark.parametrize("text", ["image=", "=fp32", "image=fp32[", "a=b=c", "image=fp32[2]x", ""])
def test_a_wrong_input_text_shows_a_right_one(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        input_override_from_text(text)
    assert caught.value.message == f"--input '{text}' is not NAME=DTYPE[DIMS]"
    assert "image=fp32[batch,3,224,224]" in caught.value.hint


@pytest.mark.parametrize("dim", ["-1", "0", "1.5", "?", ""])
def test_a_wrong_dim_is_named(dim: str) -> None:
    with pytest.raises(UsageError, match="neither a positive number nor a name"):
        input_override_from_text(f"x=fp32[2,{dim},3]")


@given(st.text(max_size=40))
def test_any_text_is_an_override_or_a_usage_error(text: str) -> None:
    try:
        assert input_override_from_text(text).name
    except UsageError as error:
        assert error.message


def test_a_tensor_reads_as_people_write_it() -> None:
    spec = TensorSpec("image", "fp32", ("batch", 3, "side", "side"))
    assert str(spec) == "image fp32 [batch, 3, side, side]"
    assert spec.dynamic_dims == ("batch", "side")
    assert shape_text(()) == "[]"
