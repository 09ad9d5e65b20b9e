from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbuild.onnx_weights import read_skeleton
from trtbuild.verify.finite import no_numbers_in_answers, no_numbers_in_weights
from trtbuild.verify.points import Point

POINT = Point("min", Path("x"), ())


def model(path: Path, **weights: np.ndarray) -> onnx.ModelProto:
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"])
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph([], "g", [value], [value], tensors)
    onnx.save(helper.make_model(graph), path)
    return read_skeleton(path)


@pytest.mark.parametrize("size", [4, 5000], ids=["in the message", "in the file"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_that_are_no_numbers_are_named(
    tmp_path: Path, size: int, bad: float, dtype: type
) -> None:
    array: np.ndarray = np.ones(size, dtype)
    array[[0, -1]] = bad
    (warning,) = no_numbers_in_weights(
        model(tmp_path / "m.onnx", good=np.ones(5000, np.float32), bad=array)
    )
    assert warning == f"weights of the model are NaN or infinite: 'bad' (2 of {size})"


def test_a_constant_for_a_mask_is_no_fault(tmp_path: Path) -> None:
    assert no_numbers_in_weights(model(tmp_path / "m.onnx", m=np.array(-np.inf, np.float32))) == []
    assert no_numbers_in_weights(model(tmp_path / "m.onnx", n=np.arange(5000))) == []


def test_answers_that_are_no_numbers_are_told() -> None:
    outputs = {
        "bad": np.array([1, np.nan, np.inf]),
        "good": np.ones(3),
        "whole": np.arange(3),
        "text": np.array([b"x"], object),
    }
    (warning,) = no_numbers_in_answers(outputs, POINT, "onnx")
    assert warning == (
        "2 of 3 elements of 'bad' are NaN or infinite in onnx itself (min shapes): that they are "
        "equal says nothing"
    )
