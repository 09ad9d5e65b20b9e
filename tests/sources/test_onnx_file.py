import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.sources import onnx_models as models
from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.tensor import DTYPES, InputOverride
from trtbuild.workers.pool import Worker


@pytest.mark.parametrize("path", sorted(models.LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_the_light_models(onnx_worker: Worker, convert: Convert, path: Path) -> None:
    converted = convert(onnx_worker, path)
    assert (converted.ref.kind, converted.ref.name) == ("onnx", path.stem)
    assert [str(spec.dtype) for spec in converted.model.inputs] == ["fp32"]
    assert converted.model.inputs[0].shape == (1, 3, 224, 224)
    assert 1000 in converted.model.outputs[0].shape
    assert converted.model.opset == 13  # they have 9
    assert converted.model.notes == ()
    onnx.checker.check_model(converted.model.path, full_check=True)
    if path.stem in ("light_squeezenet", "light_shufflenet", "light_inception_v1"):
        converted.check_numbers()  # the others take seconds each without optimizations


def test_what_needs_no_change_stays_as_it_is(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = models.save(models.affine(), tmp_path / "affine.onnx")
    converted = convert(onnx_worker, path)
    assert converted.model.path.read_bytes() == path.read_bytes()
    assert converted.model.digest == converted.ref.digest
    assert converted.model.producer == "tests 1"
    assert shapes(converted.model.inputs) == ["x fp32 [batch, 4]"]
    converted.check_numbers()
    path.write_bytes(b"")
    assert converted.model.path.stat().st_size > 0  # a copy, no hard link


@pytest.mark.parametrize("name", [n for n, row in DTYPES.items() if row.numpy != "object"])
def test_every_dtype(onnx_worker: Worker, convert: Convert, tmp_path: Path, name: str) -> None:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "identity",
        [value("x", DTYPES[name].onnx, ["n", 2])],
        [value("y", DTYPES[name].onnx, ["n", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 25)])
    path = models.save(model, tmp_path / "identity.onnx")
    assert shapes(convert(onnx_worker, path).model.outputs) == [f"y {name} [n, 2]"]


def test_an_output_without_shape_gets_one(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = models.save(models.affine(output=None), tmp_path / "affine.onnx")
    converted = convert(onnx_worker, path)
    assert shapes(converted.model.outputs) == ["y fp32 [batch, 3]"]
    converted.check_numbers()


def test_an_input_without_rank_needs_its_dims(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    model = models.affine(output=None)
    model.graph.input[0].type.tensor_type.ClearField("shape")
    path = models.save(model, tmp_path / "affine.onnx")
    with pytest.raises(SourceError) as caught:
        convert(onnx_worker, path)
    assert caught.value.message == ("input 'x' of the ONNX model does not say how many dims it has")
    assert caught.value.hint == "say so: --input 'x=[batch,3,224,224]'"
    override = InputOverride("x", None, ("rows", 4))
    converted = convert(onnx_worker, path, overrides=(override,))
    assert shapes(converted.model.inputs) == ["x fp32 [rows, 4]"]
    assert shapes(converted.model.outputs) == ["y fp32 [rows, 3]"]


@pytest.mark.parametrize("location", ["weights.bin", "deep/inside/weights.bin", "model.onnx"])
def test_external_data_comes_along(
    onnx_worker: Worker, convert: Convert, tmp_path: Path, location: str
) -> None:
    path = models.save_external(models.affine(), tmp_path / "in" / "affine.onnx", location)
    converted = convert(onnx_worker, path)
    assert len(converted.model.files) == 2
    assert {file.name for file in converted.folder.iterdir()} == set(converted.model.files)
    assert converted.model.size_bytes == sum(
        file.stat().st_size for file in converted.folder.iterdir()
    )
    converted.check_numbers()


def test_external_data_and_another_opset(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    model = models.affine(opset=11, rows=64, columns=64, output=("batch", 64))
    path = models.save_external(model, tmp_path / "in" / "affine.onnx", "weights.bin")
    converted = convert(onnx_worker, path)
    assert (converted.model.opset, converted.model.files) == (
        13,
        ("model.onnx", "model.onnx.data"),
    )
    converted.check_numbers()


_PEAK = """
import re, sys
from trtbuild.sources.identify import identify
assert identify(sys.argv[1]).digest
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
"""


@pytest.mark.slow
def test_more_than_two_gigabytes(onnx_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    """The weights are a file with a hole: 2.2 GB that take no room here."""
    size = 2_200_000_000
    model = models.affine()
    del model.graph.initializer[:]
    big = TensorProto(name="w", data_type=TensorProto.INT8, dims=[size])
    model.graph.initializer.append(big)
    two = numpy_helper.from_array(np.array([2, size // 2]), "two_rows")
    model.graph.initializer.append(two)
    del model.graph.node[:], model.graph.input[:], model.graph.output[:]
    model.graph.node.append(helper.make_node("Reshape", ["w", "two_rows"], ["rows"]))
    model.graph.node.append(helper.make_node("Gather", ["rows", "x"], ["y"]))
    value = helper.make_tensor_value_info
    model.graph.input.append(value("x", TensorProto.INT64, ["batch"]))
    model.graph.output.append(value("y", TensorProto.INT8, ["batch", size // 2]))
    big.data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    model.graph.initializer[0].external_data.add(key="location", value="hole.bin")
    path = models.save(model, tmp_path / "in" / "big.onnx")
    with (path.parent / "hole.bin").open("wb") as file:
        file.truncate(size)
    converted = convert(onnx_worker, path, opset=18)
    assert converted.model.size_bytes > 2**31
    assert converted.model.opset == 18
    identified = subprocess.run(
        [sys.executable, "-c", _PEAK, str(path)], capture_output=True, text=True, check=True
    )
    assert int(identified.stdout) < 200_000_000  # bytes; of a process that took the digest


def test_two_gigabytes_in_one_piece(onnx_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    whole = models.affine().SerializeToString()
    with path.open("wb") as file:  # the same model with a doc_string of 2.2 GB, as a hole
        size = 2_200_000_000
        file.write(whole + b"\x32" + varint(size))
        file.truncate(file.tell() + size)
    with pytest.raises(SourceError) as caught:
        convert(onnx_worker, path)
    assert caught.value.message == (
        f"the ONNX file '{path}' has 2.0 GB in one piece, and protobuf takes 2 GB at most, "
        "so nothing can read it"
    )
    assert caught.value.hint.endswith("onnx.save(model, path, save_as_external_data=True)")


def varint(number: int) -> bytes:
    head, rest = number & 0x7F, number >> 7
    return bytes([head | 0x80]) + varint(rest) if rest else bytes([head])


def test_a_model_that_is_not_valid(onnx_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    model = models.affine()
    model.graph.node[1].input[0] = "nowhere"
    path = models.save(model, tmp_path / "broken.onnx")
    with pytest.raises(SourceError) as caught:
        convert(onnx_worker, path)
    assert caught.value.message == (
        f"the ONNX file '{path}' is not valid: Nodes in a graph must be topologically sorted, "
        "however input 'nowhere' of node: name: scores OpType: Softmax "
        "is not output of any previous nodes."
    )


def test_an_op_that_onnx_does_not_have(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = models.save(models.with_op("EfficientNMS_TRT"), tmp_path / "plugin.onnx")
    assert convert(onnx_worker, path).model.notes == (
        "op EfficientNMS_TRT is not one of ONNX's own: TensorRT needs a plugin for it",
    )
    path = models.save(models.with_op("Fancy", "com.example"), tmp_path / "domain.onnx")
    assert convert(onnx_worker, path).model.notes == ()


def test_shapes_that_contradict_each_other(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = models.save(models.affine(output=("batch", 7)), tmp_path / "wrong.onnx")
    [note] = convert(onnx_worker, path).model.notes
    assert note.startswith("shape inference: ")
    assert "(3) vs (7)" in note


def test_a_sequence_is_no_tensor(onnx_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    model = models.with_op("SequenceConstruct")
    sequence = helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, ["batch", 4])
    model.graph.output[0].CopyFrom(sequence)
    path = models.save(model, tmp_path / "sequence.onnx")
    with pytest.raises(SourceError) as caught:
        convert(onnx_worker, path)
    assert caught.value.message == (
        "output 'y' of the ONNX model is a sequence; TensorRT takes tensors only"
    )


def test_what_onnx_runtime_cannot_run(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = models.save(models.with_op("EfficientNMS_TRT"), tmp_path / "plugin.onnx")
    converted = convert(onnx_worker, path)
    with pytest.raises(SourceError, match=f"ONNX Runtime cannot run '{path}': .*EfficientNMS_TRT"):
        converted.reference(converted.inputs())


def test_another_kind_was_said(onnx_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "affine.onnx")
    with pytest.raises(SourceError) as caught:
        convert(onnx_worker, path, kind="keras")
    assert caught.value.message == f"--kind keras was given, but '{path}' is an ONNX file"
    assert caught.value.hint == "give --kind onnx, or leave --kind out"
