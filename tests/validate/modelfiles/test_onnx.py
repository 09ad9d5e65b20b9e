"""ONNX interfaces by the wire, beside what the onnx package says."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.validate.modelfiles_made import make
from trtbuild.validate.modelfiles.interface import DamagedFileError, FileTensor
from trtbuild.validate.modelfiles.onnx import read
from trtbuild.validate.words import data_type_number

FP32 = data_type_number("TYPE_FP32")


def test_names_types_and_dims(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make("x:fp32[N,3,4] y:int64[] -> z:fp16[N,?]"))
    interface = read(path)
    assert interface is not None
    assert interface.inputs == (
        FileTensor("x", FP32, (-1, 3, 4)),
        FileTensor("y", data_type_number("TYPE_INT64"), ()),
    )
    assert interface.outputs == (FileTensor("z", data_type_number("TYPE_FP16"), (-1, -1)),)


def test_initializers_are_no_inputs_and_unknown_ranks_are_none(tmp_path: Path) -> None:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, None)
    w = helper.make_tensor_value_info("w", TensorProto.FLOAT, [1])
    y = helper.make_tensor_value_info("y", TensorProto.BFLOAT16, [0])
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])], "g", [x, w], [y], [weight]
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph), path)
    interface = read(path)
    assert interface is not None
    assert interface.inputs == (FileTensor("x", FP32, None),)
    assert interface.outputs == (FileTensor("y", data_type_number("TYPE_BF16"), (0,)),)
    assert interface.overridable == (FileTensor("w", FP32, (1,)),)


def test_before_ir_version_4_no_initializer_is_overridable(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make("x:fp32[1] w:fp32[1] -> y:fp32[1] given w ir 3"))
    interface = read(path)
    assert interface is not None
    assert [tensor.name for tensor in interface.inputs] == ["x"]
    assert interface.overridable == ()


def test_every_type_of_the_onnx_package_is_known_or_none_of_tritons(tmp_path: Path) -> None:
    for name, number in TensorProto.DataType.items():
        if number == 0:
            continue
        value = helper.make_tensor_value_info("x", number, [1])
        graph = helper.make_graph(
            [helper.make_node("Identity", ["x"], ["x2"])], "g", [value], [value]
        )
        path = tmp_path / f"{name}.onnx"
        onnx.save(helper.make_model(graph), path)
        interface = read(path)
        assert interface is not None
        assert (interface.inputs[0].data_type == 0) == name.startswith(
            ("COMPLEX", "FLOAT8", "FLOAT6", "FLOAT4", "INT4", "UINT4", "INT2", "UINT2")
        ), name


def test_the_opset_is_that_of_onnx_itself(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = onnx.load_from_string(make("x:fp32[4] -> y:fp32[4] opset 17"))
    model.opset_import.append(helper.make_opsetid("com.example", 99))
    onnx.save(model, path)
    interface = read(path)
    assert interface is not None
    assert interface.opset == 17


def test_a_folder_holds_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "model.onnx"
    folder.mkdir()
    assert read(folder) is None
    (folder / "model.onnx").write_bytes(make("x:fp32[4] -> y:fp32[4]"))
    assert read(folder) is not None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04", "no ONNX model or was cut off"),
        (b"\x08\x07", "has no graph"),
        (make("x:fp32[4] -> y:fp32[4]")[:-10], "cut off"),
    ],
)
def test_damage_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=message):
        read(path)
