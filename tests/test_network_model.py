from pathlib import Path

import pytest

from trtbuild.artifacts import OnnxModel, SurgeryResult, from_json, to_json
from trtbuild.network_model import NetworkModel
from trtbuild.tensor import Shape, TensorSpec


def network(shape: Shape) -> NetworkModel:
    spec = TensorSpec("x", "fp32", shape)
    return NetworkModel(
        Path("/d"), "net.py:define", None, "d", 1, (spec,), (spec,), {}, "fp32", "test"
    )


@pytest.mark.parametrize(
    ("shape", "batchable"), [(("batch", 4), True), ((1, 4), False), ((), False)]
)
def test_it_batches_as_an_onnx_model_does(shape: Shape, batchable: bool) -> None:
    made = network(shape)
    onnx = OnnxModel(Path("/d"), ("m",), "d", 1, made.inputs, made.outputs, 17, "test")
    assert made.batchable == onnx.batchable == batchable


def test_both_kinds_of_model_cross_a_process_border() -> None:
    made = network(("batch", 4))
    onnx = OnnxModel(Path("/d"), ("m",), "d", 1, made.inputs, made.outputs, 17, "test")
    for model in (made, onnx):
        result = SurgeryResult(model, None, (), {}, {})
        assert from_json(to_json(result), SurgeryResult) == result
