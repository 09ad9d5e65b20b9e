"""A plan that suits the machine by all that is known, and that its real runtime then refuses.

The machine says that it has an L4; the plan is built for one; TensorRT for RTX, which finds no
GPU here, refuses it in its own words. The driver below our own calls is the stand-in.
"""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from onnx import TensorProto, helper
from trtserve.checking import check
from trtserve.settings import Settings

from tests.cuda_driver import StandIn
from tests.plan.models import saved
from tests.serve.conftest import Running
from tests.serve.models import put
from tests.serve.test_plans import L4
from trtbuild import cuda as layer
from trtbuild import device
from trtbuild.cuda import lasting_context
from trtbuild.device import Devices
from trtbuild.plan.build import plan
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import installed_runtimes

CONFIG = """
backend: "tensorrt_rtx"
max_batch_size: 8
input { name: "INPUT0" data_type: TYPE_FP32 dims: [16] }
output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [16] }
cc_model_filenames { key: "8.9" value: "model.sm89.plan" }
"""
WORDS = r"tensorrt-rtx [\d.]+ refuses model\.sm89\.plan on cuda:0: .*CUDA driver"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository whose plan TensorRT for RTX has really built."""
    runtimes = [each for each in installed_runtimes(Devices()) if each.name == "tensorrt-rtx"]
    if not runtimes:
        pytest.skip("the package tensorrt-rtx is not installed")
    folder = tmp_path_factory.mktemp("repo")
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Relu", ["INPUT0"], ["OUTPUT0"], "relu")], "g",
        [value("INPUT0", TensorProto.FLOAT, ["batch", 16])],
        [value("OUTPUT0", TensorProto.FLOAT, ["batch", 16])],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17)]
    proto = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=opsets, ir_version=9)
    )
    model = saved(proto, folder / "source")
    spec = PlanSpec(
        model, profile_from_shapes(model.inputs), PlanOptions(), (L4.capability,), runtimes[0]
    )
    built = plan(spec, folder / "source")
    version = put(folder / "repo", "m", model.path.read_bytes(), CONFIG) / "1"
    (version / "model.sm89.plan").write_bytes(built.path.read_bytes())
    return folder / "repo"


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("driver"))


@pytest.fixture(autouse=True)
def _machine(driver: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if device.gpus().gpus:
        pytest.skip("this machine has a GPU: see tests/serve/backends/tensorrt/test_on_gpu.py")
    lasting_context.cache_clear()
    monkeypatch.setattr(layer, "LIBRARY", driver.path)
    monkeypatch.setattr(device, "gpus", lambda: Devices((L4,)))
    yield
    lasting_context.cache_clear()


@pytest.fixture
def server(start: Callable[..., Running], repo: Path) -> Iterator[Running]:
    running = start(repo, fallback="onnx")
    yield running
    running.stop()


def test_the_onnx_model_answers(server: Running) -> None:
    given = np.linspace(-1, 1, 32, dtype=np.float32).reshape(2, 16)
    with http_client.InferenceServerClient(server.http) as client:
        tensor = http_client.InferInput("INPUT0", [2, 16], "FP32")
        tensor.set_data_from_numpy(given)
        got = client.infer("m", [tensor]).as_numpy("OUTPUT0")
    np.testing.assert_array_equal(got, np.maximum(given, 0))


def test_the_log_says_so(
    start: Callable[..., Running], repo: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(repo, grpc_port=-1, metrics_port=-1, fallback="onnx").stop()
    (record,) = [each for each in caplog.records if "is ready" in each.message]
    assert record.levelname == "WARNING"
    assert record.message.startswith(
        "'m' version 1 is ready: onnxruntime on cpu (runs model.onnx on ONNX Runtime: "
    )
    assert_says(record.message)


def assert_says(text: str) -> None:
    assert re.search(WORDS, text), text


def test_metadata_and_config_say_so(server: Running) -> None:
    with http_client.InferenceServerClient(server.http) as client:
        metadata = client.get_model_metadata("m")
        (statistics,) = client.get_inference_statistics("m")["model_stats"]
        config = client.get_model_config("m")
    assert metadata["platform"] == "onnxruntime_onnx"
    for answer in (metadata, statistics):
        assert answer["trtserve_runs_on"] == "onnxruntime on cpu"
        assert_says(answer["trtserve_note"])
    with grpc_client.InferenceServerClient(server.grpc) as client:
        assert client.get_model_metadata("m").platform == "onnxruntime_onnx"
        said = client.get_model_config("m").config.parameters
    assert said["trtserve_runs_on"].string_value == "onnxruntime on cpu"
    assert_says(said["trtserve_note"].string_value)
    assert config["backend"] == "tensorrt_rtx"
    assert_says(config["parameters"]["trtserve_note"]["string_value"])


def test_the_metrics_say_so(server: Running) -> None:
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        lines = response.read().decode().splitlines()
    (line,) = [each for each in lines if each.startswith("trtserve_model_fallback{")]
    assert line.endswith("} 1")
    assert_says(line)
    runs_on = 'trtserve_model_runs_on{model="m",version="1",runs_on="onnxruntime on cpu"} 1'
    assert runs_on in lines


def test_without_a_fallback_asked_for_the_refusal_is_an_error_in_the_same_words(repo: Path) -> None:
    (row,) = check(Settings(repositories=(repo,), fallback="onnx"))
    assert (row.runs_on, row.problem) == ("onnxruntime on cpu", "")
    assert_says(str(row))
    for fallback in ("auto", "none"):
        (row,) = check(Settings(repositories=(repo,), fallback=fallback))
        assert row.problem.startswith("model 'm' cannot run here: tensorrt-rtx")
        assert_says(row.problem)


def test_a_model_of_another_kind_may_be_missing_its_file(tmp_path: Path) -> None:
    put(tmp_path, "m", b"", 'backend: "onnxruntime" default_model_filename: "other.onnx"')
    (row,) = check(Settings(repositories=(tmp_path,)))
    assert "unable to find" in row.problem
    put(tmp_path, "m", b"", 'backend: "nonsense"')
    (row,) = check(Settings(repositories=(tmp_path,)))
    assert row.problem.startswith("unable to find backend 'nonsense' for model 'm'; there are ")
