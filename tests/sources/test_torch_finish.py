from pathlib import Path

import onnx

from tests.sources import onnx_models as models
from trtbuild.onnx_model import interface
from trtbuild.sources.torch_finish import finish


def exported(tmp_path: Path, first: str, output: str) -> Path:
    """As the dynamo exporter writes it: symbols for dims, the user's lines in metadata."""
    model = models.affine(output=(output, 3))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = first
    for item in (model.graph.node[0], model.graph.input[0], model.graph):
        item.metadata_props.add(key="pkg.torch.onnx.stack_trace", value="File /home/me/secret.py")
    return models.save(model, tmp_path / "raw" / "x.onnx")


def test_symbols_get_the_names_asked_for(tmp_path: Path) -> None:
    path = exported(tmp_path, "s77", "2*s77 + s7")
    assert finish(path, tmp_path / "done.onnx", ["x"], [{0: "batch"}], None) == ()
    model = onnx.load(tmp_path / "done.onnx")
    assert [spec.shape for specs in interface(model) for spec in specs] == [
        ("batch", 4),
        ("2*batch + s7", 3),
    ]


def test_a_dim_that_the_code_fixes_is_a_number_with_a_note(tmp_path: Path) -> None:
    path = exported(tmp_path, "2", "2")
    assert finish(path, tmp_path / "done.onnx", ["x"], [{0: "batch"}], None) == (
        "dim 'batch' of input 'x' does not vary: the model's code makes it 2",
    )
    assert interface(onnx.load(tmp_path / "done.onnx"))[0][0].shape == (2, 4)


def test_no_metadata_is_left(tmp_path: Path) -> None:
    path = exported(tmp_path, "s0", "s0")
    assert b"secret.py" in path.read_bytes()
    finish(path, tmp_path / "done.onnx", ["x"], [{}], None)
    assert b"secret.py" not in (tmp_path / "done.onnx").read_bytes()


def test_the_opset_asked_for_and_external_data(tmp_path: Path) -> None:
    path = models.save_external(models.affine(), tmp_path / "raw" / "x.onnx", "w.bin")
    before = (path.parent / "w.bin").read_bytes()
    finish(path, tmp_path / "done.onnx", ["x"], [{0: "n"}], 21)
    done = onnx.load(tmp_path / "done.onnx")
    assert done.opset_import[0].version == 21
    assert done.graph.initializer[0].raw_data == before
    assert (path.parent / "w.bin").read_bytes() == before
