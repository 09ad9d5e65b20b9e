from pathlib import Path

import onnx
from onnx import helper

from tests.sources import onnx_models as models
from trtbuild.sources.external import copy_files, flat_names, rename_locations, tensors_of


def test_flat_names() -> None:
    folder = Path("/models")
    files = tuple(folder / name for name in ("w.bin", "a/w.bin", "b/w.bin", "model.onnx"))
    assert flat_names(files, folder, reserved="model.onnx") == {
        "w.bin": "w.bin",
        "a/w.bin": "1_w.bin",
        "b/w.bin": "2_w.bin",
        "model.onnx": "3_model.onnx",
    }


def test_locations_are_renamed() -> None:
    model = models.point_to(models.affine(), "./a/w.bin", 48)
    assert rename_locations(model, {"a/w.bin": "w.bin"})
    entries = {entry.key: entry.value for entry in model.graph.initializer[0].external_data}
    assert entries == {"location": "w.bin", "offset": "0", "length": "48"}
    assert not rename_locations(model, {"w.bin": "w.bin"})


def test_copies_are_files_of_their_own(tmp_path: Path) -> None:
    source, target = tmp_path / "in" / "a", tmp_path / "out"
    source.mkdir(parents=True)
    target.mkdir()
    (source / "w.bin").write_bytes(b"weights")
    copy_files((source / "w.bin",), {"a/w.bin": "v.bin"}, tmp_path / "in", target)
    (source / "w.bin").write_bytes(b"others")
    assert (target / "v.bin").read_bytes() == b"weights"


def test_tensors_are_found_wherever_they_are() -> None:
    def tensor(name: str) -> onnx.TensorProto:
        return onnx.TensorProto(name=name)

    inner = helper.make_graph([], "inner", [], [], [tensor("inner")])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=tensor("attribute")),
        helper.make_node("Mine", [], ["d"], many=[tensor("list")], graphs=[inner]),
        helper.make_node("If", ["c"], ["f"], then_branch=inner),
    ]
    graph = helper.make_graph(nodes, "all", [], [], [tensor("initializer")])
    graph.sparse_initializer.add().values.CopyFrom(tensor("sparse"))
    function = helper.make_function(
        "x", "F", [], ["y"],
        [helper.make_node("Constant", [], ["y"], value=tensor("function"))],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    model = helper.make_model(graph, functions=[function])
    names = {found.name for found in tensors_of(model)}
    assert names - {""} == {"initializer", "sparse", "attribute", "list", "inner", "function"}
