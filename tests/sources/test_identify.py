import hashlib
import os
from pathlib import Path

import pytest

from tests.sources import onnx_models as models
from tests.work import lines_run
from trtbuild.errors import SourceError, UsageError
from trtbuild.sources.identify import identify


def error_of(location: object, kind: str = "auto") -> tuple[str, str]:
    with pytest.raises(SourceError) as caught:
        identify(str(location), kind)
    return caught.value.message, caught.value.hint


def test_a_file(tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "affine.onnx")
    ref = identify(str(path))
    assert (ref.kind, ref.location, ref.name) == ("onnx", str(path), "affine")
    assert ref.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert identify(str(path), "onnx") == ref


def test_the_digest_counts_external_data(tmp_path: Path) -> None:
    path = models.save_external(models.affine(), tmp_path / "affine.onnx", "w.bin")
    before = identify(str(path)).digest
    weights = tmp_path / "w.bin"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    assert identify(str(path)).digest != before


def saved_model(folder: Path, *variables: str, graph: bytes = b"..VarHandleOp..") -> Path:
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(graph)
    for name in variables:
        (folder / "variables" / name).write_bytes(b"1")
    return folder


WHOLE = ("variables.index", "variables.data-00000-of-00001")


def test_the_digest_of_a_folder_counts_names_and_all_bytes(tmp_path: Path) -> None:
    one = identify(str(saved_model(tmp_path / "one", *WHOLE)))
    two = identify(str(saved_model(tmp_path / "two", *WHOLE)))
    more = identify(str(saved_model(tmp_path / "more", *WHOLE, "assets.txt")))
    assert (one.kind, one.name) == ("savedmodel", "one")
    assert one.digest == two.digest != more.digest


def test_the_pb_in_a_folder_means_the_folder(tmp_path: Path) -> None:
    folder = saved_model(tmp_path / "net", *WHOLE)
    assert identify(f"{folder}/saved_model.pb") == identify(str(folder))


@pytest.mark.parametrize(
    ("there", "missing"),
    [
        ((), "variables.index"),
        (("variables.index",), "variables.data-00000-of-00001"),
        (("variables.index", "variables.data-00000-of-00002"), "variables.data-00001-of-00002"),
    ],
)
def test_a_saved_model_without_variables(
    tmp_path: Path, there: tuple[str, ...], missing: str
) -> None:
    folder = saved_model(tmp_path / "net", *there)
    assert error_of(folder) == (
        f"the SavedModel '{folder}' is without its variables: no variables/{missing}",
        "copy the whole folder, with 'variables' in it",
    )


def test_a_saved_model_that_has_no_variables_needs_none(tmp_path: Path) -> None:
    assert identify(str(saved_model(tmp_path / "net", graph=b"..Const.."))).kind == "savedmodel"
    folder = saved_model(tmp_path / "empty", graph=b"")
    assert error_of(folder)[0] == f"'{folder}/saved_model.pb' is empty (0 bytes)"


def test_code(tmp_path: Path) -> None:
    file = tmp_path / "nets.py"
    file.write_text("def resnet18(): ...\nclass Net: ...\nSIZE = 3\n")
    ref = identify(f"{file}:resnet18")
    assert (ref.kind, ref.location) == ("torch", f"{file}:resnet18")
    assert (ref.name, ref.digest) == ("resnet18", None)
    assert identify("company.nets:resnet18").kind == "torch"
    assert error_of(file) == (
        f"'{file}' is Python code",
        f"say which function makes the model: {file}:FUNCTION; there are resnet18, Net",
    )
    assert error_of(f"{tmp_path}/no.py:make")[0] == (
        f"no such file: '{tmp_path}/no.py', of '{tmp_path}/no.py:make'"
    )


def test_code_that_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "nets.py"
    file.write_text("def (")
    assert error_of(file)[1] == f"say which function makes the model: {file}:FUNCTION"


def test_missing() -> None:
    assert error_of("no/such/model.onnx") == (
        "no such file or folder: 'no/such/model.onnx'",
        "a model is a path or code: file.py:function",
    )


def test_random_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\xde\xad\xbe\xef" * 100)
    what = f"'{path}' is no model file that trtbuild knows (it begins with de ad be ef)"
    message, hint = error_of(path)
    assert message == what
    assert hint.startswith("it reads ONNX files, SavedModel folders, frozen GraphDefs, Keras")
    assert error_of(path, "onnx")[0] == f"--kind onnx was given, but {what}"


def test_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    assert error_of(path, "onnx") == (
        f"--kind onnx was given, but '{path}' is a Keras HDF5 file",
        "give --kind keras, or leave --kind out",
    )
    with pytest.raises(UsageError) as caught:
        identify(str(path), "caffe")
    assert caught.value.message == (
        "no kind is called 'caffe'; there are auto, onnx, savedmodel, graphdef, keras, torch, "
        "torchscript, exported"
    )


def test_folders_of_something_else(tmp_path: Path) -> None:
    assert error_of(tmp_path)[0] == f"'{tmp_path}' is an empty folder"
    for name in "abcdefg":
        (tmp_path / name).touch()
    assert error_of(tmp_path)[0] == (
        f"'{tmp_path}' is a folder without a saved_model.pb; in it are a, b, c, d, e, ..."
    )


def test_a_repository_is_no_model_to_convert(tmp_path: Path) -> None:
    (tmp_path / "repo/m/1").mkdir(parents=True)
    (tmp_path / "repo/m/config.pbtxt").touch()
    for path in (tmp_path / "repo", tmp_path / "repo/m"):
        message, hint = error_of(path)
        assert message == f"'{path}' is a folder of a Triton model repository"
        assert "trtbuild repo show" in hint
    config = tmp_path / "repo/m/config.pbtxt"
    assert error_of(config)[0] == f"'{config}' is a config of a Triton model repository"


def test_damage_inside_an_onnx_file(tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(b"\x08\x08\x3a\x04\x2a\x02\x0a\x09")  # an initializer that lacks 9 bytes
    assert error_of(path) == (
        f"the ONNX file '{path}' is damaged: field 1 lacks 9 bytes",
        "copy or download it again",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "x.onnx")
    path.chmod(0)
    assert error_of(path)[0] == f"cannot read '{path}': Permission denied"


def test_weights_are_not_looked_at(tmp_path: Path) -> None:
    """A warm cache answers in 0.7 s in all, however large the file is."""

    def lines(rows: int) -> int:
        path = models.save(models.affine(rows=rows, columns=1000), tmp_path / f"{rows}.onnx")
        with lines_run() as counted:
            identify(str(path))
        return counted.lines

    identify(str(models.save(models.affine(), tmp_path / "x.onnx")))  # imports what it needs
    assert lines(2000) < 2 * lines(20)
