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


def _layers() -> bytes:
    """OUTPUT0 = Relu(INPUT0 W), W [16, 16] all ones; fp32 [batch, 16]."""
    import numpy as np
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("MatMul", ["INPUT0", "W"], ["sums"]),
        helper.make_node("Relu", ["sums"], ["OUTPUT0"]),
    ]
    dims: Dims = ["batch", 16]
    ends = (int(TensorProto.FLOAT), dims)
    ones = np.ones((16, 16), np.float32)
    return model(nodes, {"INPUT0": ends}, {"OUTPUT0": ends}, {"W": ones})


@functools.cache
def _built(max_batch: int) -> Path:
    """The directory of one model, built once a test run."""
    folder = Path(tempfile.mkdtemp(prefix="trtbuild-real-plans-"))
    (folder / "m.onnx").write_bytes(_layers())
    trtbuild.convert(
        folder / "m.onnx", folder / "repo", name="m", runtime="tensorrt",
        max_batch=max_batch, verify=max_batch == MAX_BATCH,
    )  # fmt: skip
    return folder / "repo" / "m"


def put_real(repository: Path, *names: str, max_batch: int = MAX_BATCH) -> Path:
    """Models of these names with a real plan each, in a repository; returns that.

    An instance holds 256 bytes of the GPU's memory for each row of `max_batch`.
    """
    for name in names:
        shutil.copytree(_built(max_batch), repository / name)
        config = repository / name / "config.pbtxt"
        config.write_text(config.read_text().replace('name: "m"', f'name: "{name}"'))
    return repository


def plan_of(repository: Path, name: str) -> Path:
    """The plan file of a model."""
    (path,) = (repository / name / "1").glob("*.plan")
    return path
