"""Tensors of every type through a session, and whose fault a failure is."""

import ml_dtypes
import numpy as np
import pytest
from onnx import TensorProto, helper
from trtserve.backends.onnxruntime.executor import OnnxExecutor, failure
from trtserve.errors import Kind, ServeError

from tests.serve.backends.onnxruntime.onnx_models import (
    DTYPES,
    nonzero,
    picked,
    reshaping,
    session,
    values_of,
    viewed,
)
from tests.serve.models import Dims, model


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (0, 4)])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_data_type(dtype: str, shape: tuple[int, int]) -> None:
    values = values_of(dtype, shape)
    found = OnnxExecutor(session(reshaping(DTYPES[dtype][0]))).execute(
        {"INPUT0": values}, ["OUTPUT0"]
    )["OUTPUT0"]
    assert found.shape == shape[::-1]
    if dtype == "BYTES":
        found = np.array([text.encode() for text in found.ravel()], object).reshape(found.shape)
    else:
        assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values.T)


def test_bfloat16_is_computed_with_not_only_passed_on() -> None:
    nodes = [
        helper.make_node("Cast", ["INPUT0"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["wide", "wide"], ["twice"]),
        helper.make_node("Cast", ["twice"], ["OUTPUT0"], to=TensorProto.BFLOAT16),
    ]
    both: tuple[int, Dims] = (TensorProto.BFLOAT16, ["n"])
    executor = OnnxExecutor(session(model(nodes, {"INPUT0": both}, {"OUTPUT0": both})))
    values = np.array([1.5, -3.0, 0.25], ml_dtypes.bfloat16)
    found = executor.execute({"INPUT0": values.view(np.uint16)}, ["OUTPUT0"])["OUTPUT0"]
    np.testing.assert_array_equal(found.view(ml_dtypes.bfloat16), values * 2)


def beside(*kinds: str) -> bytes:
    """An input and an output of each type: BF16 -> BF16_out."""
    nodes = [helper.make_node("Identity", [name], [f"{name}_out"]) for name in kinds]
    inputs: dict[str, tuple[int, Dims]] = {name: (DTYPES[name][0], ["n"]) for name in kinds}
    return model(nodes, inputs, {f"{name}_out": inputs[name] for name in kinds})


@pytest.mark.parametrize("special", ["BYTES", "BF16"])
def test_types_that_need_care_beside_others(special: str) -> None:
    values = {name: values_of(name, (3,)) for name in (special, "FP32", "BOOL")}
    wanted = [f"{name}_out" for name in ("BOOL", special, "FP32")]
    found = OnnxExecutor(session(beside(*values))).execute(values, wanted)
    assert list(found) == wanted
    for name, each in found.items():
        sent = values[name.removesuffix("_out")]
        assert [x.encode() if isinstance(x, str) else x for x in each] == list(sent)


def test_bfloat16_in_and_text_out() -> None:
    nodes = [
        helper.make_node("Cast", ["INPUT0"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["wide"], ["OUTPUT0"], to=TensorProto.STRING),
    ]
    content = model(nodes, {"INPUT0": (TensorProto.BFLOAT16, ["n"])},
                    {"OUTPUT0": (TensorProto.STRING, ["n"])})  # fmt: skip
    values = np.array([1.5, -3.0], ml_dtypes.bfloat16).view(np.uint16)
    found = OnnxExecutor(session(content)).execute({"INPUT0": values}, ["OUTPUT0"])
    assert list(found["OUTPUT0"]) == ["1.5", "-3"]


def test_text_beside_bfloat16_is_refused_at_load() -> None:
    with pytest.raises(ServeError, match="BYTES input 'BYTES' beside the BF16 'BF16'") as caught:
        OnnxExecutor(session(beside("BYTES", "BF16")))
    assert caught.value.kind is Kind.UNSUPPORTED


def test_a_shape_that_data_decides() -> None:
    values = np.array([[0, 1, 2], [3, 0, 0]], np.float32)
    found = OnnxExecutor(session(nonzero())).execute({"INPUT0": values}, ["OUTPUT0"])["OUTPUT0"]
    np.testing.assert_array_equal(found, np.stack(values.nonzero()))


@pytest.mark.parametrize("dtype", ["FP32", "BF16"])
def test_scalars_are_one_element_outside_and_none_inside(dtype: str) -> None:
    values = values_of(dtype, (4,))
    found = OnnxExecutor(session(picked(DTYPES[dtype][0]))).execute(
        {"INPUT0": values, "INDEX": np.array([2])}, ["OUTPUT0"]
    )["OUTPUT0"]
    np.testing.assert_array_equal(found, values[2:3])
    assert found.shape == (1,)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"INPUT0": np.ones((2, 3), np.float32), "SHAPE": np.array([4, 4])}, "Reshape"),
        ({"INPUT0": np.ones((2, 3, 1), np.float32), "SHAPE": np.array([3, 2])}, "rank"),
        ({"INPUT0": np.ones((2, 3), np.float64), "SHAPE": np.array([3, 2])}, "data type"),
    ],
)
def test_what_the_graph_refuses_is_the_requests_fault(
    inputs: dict[str, np.ndarray], said: str
) -> None:
    with pytest.raises(ServeError, match=f"onnx runtime error: .*{said}") as caught:
        OnnxExecutor(session(viewed())).execute(inputs, ["OUTPUT0"])
    assert caught.value.kind is Kind.INVALID_ARG


def test_bytes_that_are_no_text() -> None:
    executor = OnnxExecutor(session(reshaping(TensorProto.STRING)))
    with pytest.raises(ServeError, match=r"input 'INPUT0'.* UTF-8") as caught:
        executor.execute({"INPUT0": np.array([[b"\xff"]], object)}, ["OUTPUT0"])
    assert caught.value.kind is Kind.INVALID_ARG


def test_what_the_machine_lacks_is_nobodys_request() -> None:
    class RuntimeException(Exception):  # noqa: N818 - the name that ONNX Runtime gives it
        pass

    said = "Failed to allocate memory for requested buffer of size 1099511627776"
    assert failure(RuntimeException(said)).kind is Kind.INTERNAL
    said = "core/framework/bfc_arena.cc:360 Available memory of 1 is smaller than requested bytes"
    assert failure(RuntimeError(said)).kind is Kind.INTERNAL
    assert failure(RuntimeException("CUDA failure 2: out of memory")).kind is Kind.INTERNAL
    assert failure(RuntimeException("Non-zero status: Reshape")).kind is Kind.INVALID_ARG
    assert failure(KeyError("x")).kind is Kind.INTERNAL
