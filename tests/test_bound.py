import numpy as np
import pytest

from trtbuild.bound import bindings_from_texts, bound_array
from trtbuild.errors import SurgeryError, UsageError
from trtbuild.tensor import TensorSpec


def test_texts_are_names_with_values() -> None:
    assert bindings_from_texts(("rate=16000", "size = 640,480")) == {
        "rate": "16000",
        "size": "640,480",
    }


@pytest.mark.parametrize("texts", [("rate",), ("=3",), ("rate=",), ("a=1", "a=2")])
def test_what_binds_nothing_is_misuse(texts: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        bindings_from_texts(texts)


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (TensorSpec("a", "int64", ()), "16000", np.int64(16000)),
        (TensorSpec("a", "int32", (1,)), "3", np.array([3], np.int32)),
        (TensorSpec("a", "fp32", (2,)), "0.5,-1", np.array([0.5, -1], np.float32)),
        (TensorSpec("a", "int64", (2, 1)), "[1, 2]", np.array([[1], [2]])),
        (TensorSpec("a", "bool", ()), "true", np.array(True)),
        (TensorSpec("a", "bool", (2,)), "0", np.array([False, False])),
        (TensorSpec("a", "int64", ("batch",)), "7", np.array([7, 7, 7])),
    ],
)
def test_values_take_the_inputs_shape_and_type(
    spec: TensorSpec, text: str, value: np.ndarray
) -> None:
    found = bound_array(spec, text, {"batch": 3})
    assert found.dtype == value.dtype
    np.testing.assert_array_equal(found, value)
    assert found.shape == value.shape


@pytest.mark.parametrize(
    ("spec", "text", "reason"),
    [
        (TensorSpec("a", "int64", ()), "fast", "is no number"),
        (TensorSpec("a", "int64", ()), '"x"', "is no number"),
        (TensorSpec("a", "int64", ()), "0.5", "is no value of a int64"),
        (TensorSpec("a", "uint8", ()), "300", "is no value of a uint8"),
        (TensorSpec("a", "int64", (3,)), "1,2", "gives 2 numbers"),
    ],
)
def test_other_values_are_refused(spec: TensorSpec, text: str, reason: str) -> None:
    with pytest.raises(SurgeryError, match=reason):
        bound_array(spec, text)
