from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

import trtbuild
from tests.models import linear, save
from tests.with_tensorrt import needs_tensorrt
from trtbuild.debugging import debug, request_of
from trtbuild.device import Devices
from trtbuild.errors import CudaError
from trtbuild.locked import locked_version
from trtbuild.request import ConvertRequest


def test_a_plan_is_built_again_as_its_lock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    trtbuild.convert(
        linear(tmp_path / "tiny.onnx"),
        tmp_path / "repo",
        targets=("8.6",),
        precision="fp16",
        max_batch=2,
        workspace_mib=64,
        rtol=0.5,
        instances=3,
    )
    lock = locked_version(tmp_path / "repo/tiny", None).lock
    assert request_of(lock, tmp_path / "model.onnx") == ConvertRequest(
        source=str(tmp_path / "model.onnx"),
        repo=Path(),
        kind="onnx",
        runtime="tensorrt-rtx",
        precision="fp16",
        workspace_mib=64,
        rtol=0.5,
    )


def test_without_a_gpu_nothing_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbuild.device.gpus", Devices)
    request = ConvertRequest(source=str(linear(tmp_path / "tiny.onnx")), repo=Path())
    with pytest.raises(CudaError, match="this machine has no GPU") as caught:
        debug(request)
    assert "a GPU that the plan is for" in caught.value.hint


@pytest.mark.gpu
@needs_tensorrt
@pytest.mark.parametrize("fault", [3, 17, 28])
def test_a_planted_overflow_is_named(
    fault: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = overflowing(tmp_path / "net.onnx", fault)
    found = debug(ConvertRequest(source=str(source), repo=Path(), runtime="tensorrt"))
    (layer,) = found.suspects
    assert (layer.tensor, layer.node) == (f"t{fault}", "overflow")
    assert found.builds <= 10
    assert found.first is not None
    assert "NaN or infinite" in found.first.problem


@pytest.mark.gpu
@needs_tensorrt
def test_a_plan_that_agrees_takes_one_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = linear(tmp_path / "tiny.onnx")
    found = debug(ConvertRequest(source=str(source), repo=Path(), runtime="tensorrt"))
    assert (found.departs, found.builds) == (False, 1)


def overflowing(path: Path, fault: int, layers: int = 30) -> Path:
    """30 layers in fp16, of which one makes numbers that fp16 has not, and the next undoes it."""
    rng = np.random.default_rng(0)
    nodes, weights, last = [], {}, "x"
    for i in range(layers):
        result = "y" if i == layers - 1 else f"t{i}"
        if i % 3 == 2 and i not in (fault, fault + 1):
            nodes.append(helper.make_node("Relu", [last], [result], name=f"relu_{i}"))
        else:
            scale = {fault: 1e4, fault + 1: 1e-4}.get(i, 1 / 3)
            weight = rng.standard_normal((16, 16)) * scale
            weights[f"w{i}"] = weight.astype(np.float16)
            name = "overflow" if i == fault else f"matmul_{i}"
            nodes.append(helper.make_node("MatMul", [last, f"w{i}"], [result], name=name))
        last = result
    shape = (TensorProto.FLOAT16, ("batch", 16))
    return save(path, nodes, {"x": shape}, {"y": shape}, dict(weights))
