from pathlib import Path

import pytest

from trtbuild.artifacts import OnnxModel
from trtbuild.errors import PlanError
from trtbuild.plan.interface import check_types
from trtbuild.tensor import DTYPES, TensorSpec

X = TensorSpec("x", "fp32", ("batch", 4))


def model(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...] = (X,)) -> OnnxModel:
    return OnnxModel(Path("/m"), ("m.onnx",), "d", 1, inputs, outputs, 17, "")


@pytest.mark.parametrize("dtype", DTYPES)
def test_each_data_type_is_taken_or_named(dtype: str) -> None:
    spec = TensorSpec("image", dtype, (4,))
    if DTYPES[dtype].tensorrt:
        check_types(model((spec,), (spec,)))
        return
    for inputs, outputs, role in (((spec,), (X,), "input"), ((X,), (spec,), "output")):
        with pytest.raises(PlanError) as caught:
            check_types(model(inputs, outputs))
        assert caught.value.message == (
            f"{role} 'image' is {dtype}, a data type that TensorRT lacks"
        )
        assert caught.value.dtype == dtype
        assert caught.value.hint


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        ("fp64", "give it as fp32: --input 'x=fp32'"),
        ("uint16", "give it as int32: --input 'x=int32'"),
        ("string", "cut the model behind the ops that read it, with --inputs"),
    ],
)
def test_what_to_do_about_an_input(dtype: str, hint: str) -> None:
    with pytest.raises(PlanError) as caught:
        check_types(model((TensorSpec("x", dtype, ()),)))
    assert caught.value.hint == hint


def test_what_to_do_about_an_output() -> None:
    with pytest.raises(PlanError) as caught:
        check_types(model((X,), (TensorSpec("y", "fp64", ()),)))
    assert caught.value.hint == "end the model in a Cast to fp32, or leave it out, with --outputs"
