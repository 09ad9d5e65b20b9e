"""The demo's models, but for the SavedModel, which takes long and which the demo makes itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.sources.conftest import ROOT, Convert, shapes
from trtbuild.workers.pool import Worker

RECIPES = ROOT / "recipes"


def made(recipe: str, output: Path) -> str:
    """Run `source.py OUTPUT_DIR` as `make demo` does: the last line says what to convert."""
    command = [sys.executable, str(RECIPES / recipe / "source.py"), str(output)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1]


def test_light_resnet50(onnx_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    location = made("light_resnet50_onnx", tmp_path / "out")
    assert Path(location).is_relative_to(tmp_path)
    model = convert(onnx_worker, location).model
    assert shapes(model.inputs) == ["gpu_0/data_0 fp32 [1, 3, 224, 224]"]


@pytest.mark.slow
@pytest.mark.xdist_group("torch")
def test_resnet_torch(torch_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    location = made("resnet_torch", tmp_path / "out")
    converted = convert(torch_worker, location)
    assert (converted.ref.kind, converted.ref.name) == ("torch", "resnet_torch")
    assert shapes(converted.model.inputs) == ["image fp32 [batch, 3, 224, 224]"]
    assert shapes(converted.model.outputs) == ["logits fp32 [batch, 1000]"]
    converted.check_numbers(tolerance=1e-4)


@pytest.mark.slow
@pytest.mark.xdist_group("tensorflow")
def test_mobilenet_v1_graphdef(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    location = made("mobilenet_v1_graphdef", tmp_path / "out")
    again = made("mobilenet_v1_graphdef", tmp_path / "again")
    assert Path(location).read_bytes() == Path(again).read_bytes()
    converted = convert(tf_worker, location)
    assert shapes(converted.model.inputs) == ["image fp32 [batch, 128, 128, 3]"]
    assert [spec.name for spec in converted.model.outputs] == ["scores"]
    converted.check_numbers()
