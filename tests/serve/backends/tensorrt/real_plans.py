"""Repositories whose plans TensorRT has really built, for this machine's GPU, through trtbuild."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path

import pytest

import trtbuild
from tests.serve.models import Dims, model
from trtbuild.device import gpus
from trtbuild.plan.runtimes import installed_runtimes

MAX_BATCH = 8


def why_not() -> str:
    """Why no plan of data-centre TensorRT can be built here; "": it can."""
    devices = gpus()
    if not devices.gpus:
        return f"this machine has no GPU that can be used {devices.problem}".strip()
    if not any(each.name == "tensorrt" for each in installed_runtimes(devices)):
        return "the package tensorrt is not installed"
    return ""


ON_GPU = [pytest.mark.gpu, pytest.mark.skipif(bool(why_not()), reason=why_not())]


def _layers(wide: int) -> bytes:
    """OUTPUT0 = Relu(INPUT0 W V), W [16, wide] all 1, V [wide, 16] all 1/wide; fp32 [batch, 16]."""
    import numpy as np
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("MatMul", ["INPUT0", "W"], ["sums"]),
        helper.make_node("MatMul", ["sums", "V"], ["means"]),
        helper.make_node("Relu", ["means"], ["OUTPUT0"]),
    ]
    dims: Dims = ["batch", 16]
    ends = (int(TensorProto.FLOAT), dims)
    weights = {
        "W": np.ones((16, wide), np.float32),
        "V": np.full((wide, 16), 1 / wide, np.float32),
    }
    return model(nodes, {"INPUT0": ends}, {"OUTPUT0": ends}, weights)


@functools.cache
def _built(wide: int, *, stripped: bool) -> Path:
    """The directory of one model, built once a test run."""
    folder = Path(tempfile.mkdtemp(prefix="trtbuild-real-plans-"))
    (folder / "m.onnx").write_bytes(_layers(wide))
    trtbuild.convert(
        folder / "m.onnx", folder / "repo", name="m", runtime="tensorrt",
        max_batch=MAX_BATCH, strip_weights=stripped,
    )  # fmt: skip
    return folder / "repo" / "m"


def put_real(repository: Path, *names: str, wide: int = 16, stripped: bool = False) -> Path:
    """Models of these names with a real plan each, in a repository; returns that.

    A plan has 128 bytes of weights for each of the columns that it is `wide`: a power of 2.
    """
    for name in names:
        shutil.copytree(_built(wide, stripped=stripped), repository / name)
        config = repository / name / "config.pbtxt"
        config.write_text(config.read_text().replace('name: "m"', f'name: "{name}"'))
    return repository


def plan_of(repository: Path, name: str) -> Path:
    """The plan file of a model."""
    (path,) = (repository / name / "1").glob("*.plan")
    return path
