"""What a rule sees of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.validate.opened import opened

ONNX = "-- demo/config.pbtxt --\n{}\n-- demo/1/model.onnx --\n-- demo/3/model.onnx --\n"
PORTS = 'input { name: "a" } output { name: "b" }'
COMPLETES = """-- demo/1/model.py --
class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        return config
"""


def test_versions_and_their_folders(tmp_path: Path) -> None:
    model = opened(tmp_path, ONNX.format("version_policy { all { } }"))
    assert model.versions == {1: "1", 3: "3"}
    assert [folder.path.name for folder in model.version_folders.values()] == ["1", "3"]


@pytest.mark.parametrize(
    ("text", "fills"),
    [
        (ONNX.format(""), True),
        (ONNX.format(PORTS), False),
        ('platform: "tensorrt_plan" ' + PORTS, True),
        ('platform: "pytorch_libtorch"', False),
        ('platform: "ensemble"', False),
        ('backend: "own"', True),  # perhaps: nobody knows
        ('backend: "identity"', False),
        ('backend: "python"', False),
        (COMPLETES, True),
    ],
)
def test_whether_the_backend_fills_in_tensors(tmp_path: Path, text: str, fills: bool) -> None:
    assert opened(tmp_path, text).fills_tensors is fills
    assert not opened(tmp_path, text, strict_config=True).fills_tensors


def test_what_is_written_differs_from_what_is_default(tmp_path: Path) -> None:
    model = opened(tmp_path, "max_batch_size: 0\n")
    assert model.written("max_batch_size")
    assert not model.written("name")


def test_a_model_without_config_is_empty_and_says_so(tmp_path: Path) -> None:
    model = opened(tmp_path, "-- demo/1/model.onnx --\n")
    assert not model.exists
    assert model.backend == "onnxruntime"
    assert model.comments == ()
