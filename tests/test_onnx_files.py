import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.sources import onnx_models as models
from trtbuild.errors import SourceError
from trtbuild.onnx_files import external_data, external_files, op_types


def external(name: str, location: str, offset: int = 0, length: int = 0) -> onnx.TensorProto:
    tensor = onnx.TensorProto(
        name=name, data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL
    )
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def test_no_external_data(tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "affine.onnx")
    assert external_data(path) == {}
    assert external_files(path) == ()


def test_tensors_are_found_wherever_they_are(tmp_path: Path) -> None:
    """1 initializers, 2 sparse ones, 3 attributes, 4 lists in attributes, 5 inner graphs,
    6 functions.
    """
    inner = helper.make_graph([], "inner", [], [], [external("e", "inner.bin")])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=external("c", "attribute.bin", 100, 28)),
        helper.make_node("Mine", [], ["d"], many=[external("d", "list.bin")], domain="x"),
        helper.make_node("If", ["c"], ["f"], then_branch=inner, else_branch=inner),
        helper.make_node("Note", [], ["g"], text="location"),
    ]
    graph = helper.make_graph(
        nodes, "all", [], [], [external("a", "weights.bin", 8, 8), external("b", "weights.bin")]
    )
    sparse = graph.sparse_initializer.add()
    sparse.values.CopyFrom(external("v", "sparse.bin"))
    sparse.indices.CopyFrom(numpy_helper.from_array(np.array([0]), "i"))
    function = helper.make_function(
        "x", "F", [], ["y"],
        [helper.make_node("Constant", [], ["y"], value=external("h", "function.bin"))],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    model = helper.make_model(graph, functions=[function])
    path = tmp_path / "all.onnx"
    path.write_bytes(model.SerializeToString())
    assert external_data(path) == {
        "attribute.bin": 128,
        "list.bin": 0,
        "inner.bin": 0,
        "weights.bin": 16,
        "sparse.bin": 0,
        "function.bin": 0,
    }


def test_files_beside_the_model(tmp_path: Path) -> None:
    path = models.save_external(models.affine(), tmp_path / "affine.onnx", "deep/weights.bin")
    assert external_files(path) == (tmp_path / "deep" / "weights.bin",)


@pytest.mark.parametrize(
    "location", ["../weights.bin", "/etc/passwd", "a/../../b", "", "C:\\weights", "..\\weights"]
)
def test_outside_the_folder(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(48))
    path = models.save(models.point_to(models.affine(), location, 48), tmp_path / "in" / "m.onnx")
    with pytest.raises(SourceError) as caught:
        external_files(path)
    said = f"'{path}' keeps external data in '{location}', which is outside the model's folder: "
    assert caught.value.message.startswith(said)


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need rights there")
def test_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    model = models.point_to(models.affine(), "weights.bin", 48)
    path = models.save(model, tmp_path / "in" / "m.onnx")
    (path.parent / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(SourceError, match="which is outside the model's folder"):
        external_files(path)


def test_a_missing_file(tmp_path: Path) -> None:
    path = models.save(models.point_to(models.affine(), "weights.bin", 48), tmp_path / "m.onnx")
    with pytest.raises(SourceError) as caught:
        external_files(path)
    assert caught.value.message == (
        f"'{path}' keeps its weights in 'weights.bin', and there is no such file beside it"
    )
    assert caught.value.hint == f"copy 'weights.bin' into '{tmp_path}'"


def test_a_file_that_was_cut_off(tmp_path: Path) -> None:
    path = models.save(models.point_to(models.affine(), "weights.bin", 48), tmp_path / "m.onnx")
    (tmp_path / "weights.bin").write_bytes(bytes(40))
    with pytest.raises(SourceError) as caught:
        external_files(path)
    assert caught.value.message == (
        f"'{tmp_path}/weights.bin' was cut off: it has 40 bytes, and 'm.onnx' needs 48"
    )


def test_the_ops_of_subgraphs_and_functions_are_found(tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info("y", 1, [1])]
    branch = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "branch", [], values)
    function = helper.make_function(
        "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Twice", ["y"], ["z"], domain="local"),
    ]
    weights = helper.make_tensor("w", 1, [2], [1, 2])
    graph = helper.make_graph(nodes, "g", [], [], [weights])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, functions=[function]), path)
    assert op_types(path) == {"If", "Abs", "Twice", "Add"}
