"""What core fills in; the differential test compares it with Triton over all pairs."""

from __future__ import annotations

from pathlib import Path

import pytest

from trtbuild.modelconfig.schema import new_config
from trtbuild.validate.complete import complete
from trtbuild.validate.directory import Directory


@pytest.mark.parametrize(
    ("fields", "files", "expected"),
    [
        ({}, ["model.onnx"], ("onnxruntime", "onnxruntime_onnx", "model.onnx")),
        ({}, ["model.plan", "model.onnx"], ("tensorrt", "tensorrt_plan", "model.plan")),
        ({}, ["model.py"], ("python", "", "model.py")),
        ({}, ["model.xml"], ("openvino", "", "model.xml")),
        ({}, ["model.pt"], ("pytorch", "pytorch_libtorch", "model.pt")),
        ({}, ["model.pt2"], ("pytorch", "torch_aoti", "model.pt2")),
        ({}, ["model.graphdef"], ("tensorflow", "tensorflow_graphdef", "model.graphdef")),
        ({}, ["other"], ("", "", "")),
        ({"backend": "pytorch"}, [], ("pytorch", "pytorch_libtorch", "model.pt")),
        ({"platform": "tensorrt_plan"}, [], ("tensorrt", "tensorrt_plan", "model.plan")),
        ({"platform": "libtorch"}, [], ("pytorch", "libtorch", "model.pt")),
        ({"backend": "own"}, ["model.onnx"], ("own", "", "")),
        ({"default_model_filename": "a"}, ["model.onnx"], ("", "", "a")),
    ],
)
def test_fills_in(
    tmp_path: Path, fields: dict[str, str], files: list[str], expected: tuple[str, str, str]
) -> None:
    (tmp_path / "1").mkdir()
    for file in files:
        (tmp_path / "1" / file).touch()
    done = complete(new_config(**fields), Directory(tmp_path), "m")
    assert (done.backend, done.platform, done.filename) == expected
    assert done.guessed == ("backend" not in fields)


def test_a_name_with_a_dot_names_the_backend() -> None:
    assert complete(new_config(), None, "m.identity")[:3] == ("identity", "", "model.identity")


def test_only_the_first_folder_counts(tmp_path: Path) -> None:
    for folder, file in ((".hidden", "x"), ("1", "model.onnx")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / file).touch()
    assert complete(new_config(), Directory(tmp_path), "m").backend == ""
