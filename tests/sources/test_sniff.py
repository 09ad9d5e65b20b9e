import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sources import onnx_models as models
from trtbuild.errors import SourceError
from trtbuild.sources.sniff import sniff


def zipped(path: Path, names: Iterable[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return path


@pytest.mark.parametrize(
    ("names", "kind", "what"),
    [
        (["config.json", "metadata.json", "model.weights.h5"], "keras", "a Keras file"),
        (["version", "serialized_exported_program.json"], "exported", "a PyTorch ExportedProgram"),
        (["x/archive_format", "x/models/model.json"], "exported", "a PyTorch ExportedProgram"),
        (["x/data.pkl", "x/constants.pkl", "x/code/a.py"], "torchscript", "a TorchScript file"),
        (
            ["x/archive_format", "x/data/aotinductor/model/a.so"],
            "",
            "a PyTorch package of compiled code (AOTInductor)",
        ),
        (
            ["x/data.pkl", "x/data/0", "x/version"],
            "",
            "a PyTorch file of pickled objects (a state dict or a whole nn.Module)",
        ),
        (["bert/saved_model.pb"], "", "a zip archive of a SavedModel"),
        (["a.npy"], "", "a zip archive without a model that trtbuild knows"),
    ],
)
def test_zip_files(tmp_path: Path, names: list[str], kind: str, what: str) -> None:
    found = sniff(zipped(tmp_path / "file", names))
    assert (found.kind, found.what) == (kind, what)


@pytest.mark.parametrize(
    ("data", "kind", "what"),
    [
        (b"\x89HDF\r\n\x1a\n...", "keras", "a Keras HDF5 file"),
        (b"\x1c\0\0\0TFL3....", "", "a TensorFlow Lite file"),
        (b"ftrt\0\0\0\0", "", "a TensorRT plan"),
        (b"vtrt\0\0\0\0", "", "a TensorRT-RTX plan"),
        (b"GGUF\3\0\0\0", "", "a GGUF file, which holds weights only"),
        (b"\x10\0\0\0\0\0\0\0" + b'{"a":1}', "", "a safetensors file, which holds weights only"),
        (b"\x1f\x8b\x08\0", "", "a gzip archive"),
        (bytes(257) + b"ustar\0", "", "a tar archive"),
        (b"\x93NUMPY\1\0", "", "a NumPy array"),
        (b"\x80\x02}q\0.", "", "a pickle of Python objects (old PyTorch format)"),
        (b"\x08\x01\x12\x02ab", "", "the saved_model.pb of a SavedModel, alone"),
        (b"hello", "", "no model file that trtbuild knows (it begins with 68 65 6c 6c)"),
        (b"\0", "", "no model file that trtbuild knows (it begins with 00)"),
    ],
)
def test_first_bytes(tmp_path: Path, data: bytes, kind: str, what: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    found = sniff(path)
    assert (found.kind, found.what) == (kind, what)


def test_onnx_and_graphdef_are_told_apart_by_their_first_fields(tmp_path: Path) -> None:
    assert sniff(models.save(models.affine(), tmp_path / "x.pb")).kind == "onnx"
    graph = tmp_path / "x.onnx"  # GraphDef{node {name: "x" op: "Placeholder"} versions {}}
    graph.write_bytes(b"\x0a\x10\x0a\x01x\x12\x0bPlaceholder\x22\x00")
    assert sniff(graph).kind == "graphdef"


def test_empty(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").touch()
    with pytest.raises(SourceError) as caught:
        sniff(tmp_path / "x.onnx")
    assert caught.value.message == f"'{tmp_path}/x.onnx' is empty (0 bytes)"


def test_cut_off_onnx(tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "x.onnx")
    whole = path.read_bytes()
    for size in (len(whole) - 3, len(whole) // 2, 30):
        path.write_bytes(whole[:size])
        with pytest.raises(SourceError) as caught:
            sniff(path)
        assert caught.value.message.startswith(
            f"'{path}' was cut off: it begins as an ONNX file, but field "
        )
        assert caught.value.hint == "copy or download it again"


def test_cut_off_zip(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.keras", ["config.json", "metadata.json"])
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError) as caught:
        sniff(path)
    assert caught.value.message == (
        f"'{path}' was cut off: it begins as a zip file (.keras, .pt, .pt2), but its directory, "
        "which comes last, is missing"
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(min_size=1, max_size=600))
def test_any_bytes_get_an_answer(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(data)
    try:
        assert sniff(path).what
    except SourceError as error:
        assert "was cut off" in error.message
