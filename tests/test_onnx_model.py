import hashlib
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.sources import onnx_models as models
from trtbuild.errors import SourceError
from trtbuild.onnx_model import default_opset, describe, interface


def model_of(*dims: int | str | None, name: str = "x") -> onnx.ModelProto:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", [name], ["y"])],
        "g",
        [value(name, TensorProto.FLOAT, list(dims))],
        [value("y", TensorProto.FLOAT, list(dims))],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])


def test_describe(tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "affine.onnx")
    model = describe(path, notes=("a note",))
    assert (model.directory, model.files) == (tmp_path, ("affine.onnx",))
    assert model.path == path
    assert model.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.size_bytes == path.stat().st_size
    assert [str(spec) for spec in model.inputs] == ["x fp32 [batch, 4]"]
    assert [str(spec) for spec in model.outputs] == ["y fp32 [batch, 3]"]
    assert (model.opset, model.producer, model.notes) == (17, "tests 1", ("a note",))


def test_external_data_counts_and_is_not_loaded(tmp_path: Path) -> None:
    path = models.save_external(models.affine(), tmp_path / "affine.onnx", "w.bin")
    model = describe(path)
    assert model.files == ("affine.onnx", "w.bin")
    both = path.read_bytes() + (tmp_path / "w.bin").read_bytes()
    assert model.digest == hashlib.sha256(both).hexdigest()
    assert model.size_bytes == len(both)


def test_unnamed_dims_get_unique_names() -> None:
    inputs, outputs = interface(model_of(None, "batch", "x_0", "?", "unk__7", -1, 3))
    assert inputs[0].shape == ("x_0_", "batch", "x_0", "x_3", "x_4", "x_5", 3)
    assert outputs[0].shape == ("y_0", "batch", "x_0", "y_3", "y_4", "y_5", 3)


def test_names_of_dims_are_identifiers() -> None:
    assert interface(model_of(None, name="gpu_0/data:0"))[0][0].shape == ("gpu_0_data_0_0",)
    assert interface(model_of(None, name="7"))[0][0].shape == ("dim_7_0",)


def test_initializers_are_no_inputs() -> None:
    model = models.affine()
    weight = helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3])
    model.graph.input.append(weight)
    assert [spec.name for spec in interface(model)[0]] == ["x"]


def test_scalars_have_no_dims() -> None:
    assert interface(model_of())[0][0].shape == ()


@pytest.mark.parametrize("role", ["input", "output"])
def test_without_a_rank(role: str) -> None:
    model = model_of(1)
    values = model.graph.input if role == "input" else model.graph.output
    values[0].type.tensor_type.ClearField("shape")
    with pytest.raises(SourceError, match=f"{role} '[xy]' of the ONNX model does not say how many"):
        interface(model)


def test_no_tensor() -> None:
    model = model_of(1)
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, [1])
    model.graph.output[0].CopyFrom(sequence)
    with pytest.raises(SourceError) as caught:
        interface(model)
    assert caught.value.message == (
        "output 'y' of the ONNX model is a sequence; TensorRT takes tensors only"
    )


def test_an_unknown_dtype() -> None:
    model = model_of(1)
    model.graph.input[0].type.tensor_type.elem_type = 99
    with pytest.raises(SourceError, match="has the unknown data type number 99"):
        interface(model)


def test_default_opset() -> None:
    model = model_of(1)
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    assert default_opset(model) == 17
    del model.opset_import[0]
    assert default_opset(model) == 1
