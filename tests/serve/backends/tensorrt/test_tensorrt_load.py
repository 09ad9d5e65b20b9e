"""A server that runs plans from choice to answer, on the stand-in for TensorRT (`stand_in.py`)."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException
from trtserve import plans
from trtserve.backends.tensorrt.lane import Lane
from trtserve.checking import check
from trtserve.faults import FAULTS
from trtserve.settings import Settings

from tests.cuda_driver import StandIn
from tests.serve.backends.tensorrt import stand_in
from tests.serve.backends.tensorrt.stand_in import Tensor, copies, plan_text, values
from tests.serve.conftest import Running
from tests.serve.models import identity, put
from tests.serve.test_plans import L4, rtx_plan
from trtbuild import cuda as layer
from trtbuild import device
from trtbuild.cuda import lasting_context
from trtbuild.device import Devices
from trtbuild.errors import CudaError, RepositoryError
from trtbuild.plan.runtimes import RuntimeInfo

BOUNDS = {"INPUT0": ((1, 16), (4, 16), (8, 16))}
BIG = {"INPUT0": ((9, 16), (16, 16), (32, 16))}
CONFIG = """
backend: "tensorrt_rtx"
cc_model_filenames { key: "8.9" value: "a.plan" }
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("driver"))


@pytest.fixture(autouse=True)
def _machine(driver: StandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An L4, and a runtime that is the stand-in."""
    if device.gpus().gpus:
        pytest.skip("this machine has a GPU: its runtime is no stand-in")
    lasting_context.cache_clear()
    monkeypatch.setattr(layer, "LIBRARY", driver.path)
    monkeypatch.setattr(device, "gpus", lambda: Devices((L4,)))
    runtime = RuntimeInfo("tensorrt-rtx", "stand-in", stand_in.__name__, "1.7.1.116", ())
    monkeypatch.setattr(plans, "installed_runtimes", lambda _: (runtime,))
    yield
    lasting_context.cache_clear()


def repository(
    folder: Path, config: str = CONFIG, *, dtype: str = "FLOAT", profiles: Any = (BOUNDS,)
) -> Path:
    engine = copies([(Tensor("INPUT0", dtype, (-1, 16)), "OUTPUT0")], profiles)
    path = put(folder, "m", identity(), config)
    (path / "1" / "a.plan").write_bytes(rtx_plan("8.9") + plan_text(engine))
    return folder


def ask(server: Running, given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with http_client.InferenceServerClient(server.http) as client:
        tensor = http_client.InferInput("INPUT0", list(given.shape), "FP32")
        tensor.set_data_from_numpy(given)
        answer: np.ndarray[Any, Any] = client.infer("m", [tensor]).as_numpy("OUTPUT0")
        return answer


def test_a_plan_answers_and_the_server_says_what_runs(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "trtserve")
    server = start(repository(tmp_path))
    for rows in (1, 8, 3):
        given = values((rows, 16), seed=rows)
        np.testing.assert_array_equal(ask(server, given), given)
    said = "tensorrt_rtx on cuda:0 (plan a.plan, 8.9 in cc_model_filenames)"
    assert f"'m' version 1 is ready: {said}" in [record.message for record in caplog.records]
    with http_client.InferenceServerClient(server.http) as client:
        config = client.get_model_config("m")
        metadata = client.get_model_metadata("m")
        (statistics,) = client.get_inference_statistics("m")["model_stats"]
    assert metadata["platform"] == "tensorrt_rtx"
    assert metadata["trtserve_runs_on"] == statistics["trtserve_runs_on"] == said
    assert "trtserve_note" not in metadata | statistics
    assert config["max_batch_size"] == 8
    assert config["instance_group"][0]["kind"] == "KIND_GPU"
    assert config["parameters"] == {"trtserve_runs_on": {"string_value": said}}
    with grpc_client.InferenceServerClient(server.grpc) as client:
        assert client.get_model_metadata("m").platform == "tensorrt_rtx"
        over_grpc = client.get_model_config("m").config.parameters
    assert {name: each.string_value for name, each in over_grpc.items()} == {
        "trtserve_runs_on": said
    }
    server.stop()


@pytest.mark.parametrize("late", [1, 1 << 30])
def test_one_client_that_asks_again_and_again_has_its_own_answers(
    start: Callable[..., Running], tmp_path: Path, driver: StandIn, late: int
) -> None:
    """On the loop, which waits for the GPU for a moment, and where the GPU is not done by then."""
    server = start(repository(tmp_path))
    driver.answers_late(late)
    try:
        for turn in range(20):
            given = values((1 + turn // 5 % 2, 16), seed=turn)
            np.testing.assert_array_equal(ask(server, given), given)
    finally:
        driver.answers_late(1)
    server.stop()


def test_requests_of_many_clients_share_batches(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    text = (
        CONFIG
        + """
      max_batch_size: 32
      instance_group { count: 2 kind: KIND_GPU profile: ["0", "1"] }
      dynamic_batching { preferred_batch_size: [8] max_queue_delay_microseconds: 2000 }
      optimization { cuda { graphs: true } }
    """
    )
    server = start(repository(tmp_path, text, profiles=(BOUNDS, BIG)), grpc_port=-1)
    wrong: list[BaseException] = []

    def client(number: int) -> None:
        try:
            for turn in range(20):
                given = values((1 + (number + turn) % 3, 16), seed=100 * number + turn)
                np.testing.assert_array_equal(ask(server, given), given)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    server.stop()


def test_graphs_are_captured_at_load_for_the_preferred_sizes(
    start: Callable[..., Running], tmp_path: Path, driver: StandIn
) -> None:
    text = (
        CONFIG
        + """
      max_batch_size: 8
      dynamic_batching { preferred_batch_size: [4] }
      optimization { cuda { graphs: true } }
    """
    )
    server = start(repository(tmp_path, text), grpc_port=-1)
    before = driver.launches
    for rows in (1, 4, 8):
        ask(server, values((rows, 16)))
    assert driver.launches == before + 3
    ask(server, values((5, 16)))
    assert driver.launches == before + 3
    server.stop()


def test_check_says_which_plan_which_device_and_why(tmp_path: Path, driver: StandIn) -> None:
    before = driver.alive
    (row,) = check(Settings(repositories=(repository(tmp_path),)))
    assert str(row).startswith(
        "ok: m version 1: tensorrt_rtx on cuda:0 (plan a.plan, 8.9 in cc_model_filenames)\n"
    )
    gc.collect()
    assert driver.alive == before, "a check leaves something on the GPU"


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ('input { name: "INPUT0" data_type: TYPE_INT32 dims: [16] }', "the plan says TYPE_FP32"),
        ("max_batch_size: 9", "the plan takes batches up to 8"),
        ('instance_group { kind: KIND_GPU profile: "1" }', "names optimization profile '1'; the"),
        ("optimization { cuda { graphs: true graph_spec { batch_size: 99 } } }", "batch_size 99"),
    ],
)
def test_a_config_that_contradicts_its_plan_is_no_case_for_the_fallback(
    start: Callable[..., Running], tmp_path: Path, extra: str, says: str
) -> None:
    with pytest.raises(RepositoryError, match=says):
        start(repository(tmp_path, CONFIG + extra))


@pytest.mark.parametrize(
    ("dtype", "content", "says"),
    [
        ("FP8", None, "'INPUT0' is FP8 in its plan, a type that no request can carry"),
        ("FLOAT", b"{", "refuses a.plan on cuda:0: Serialization assertion failed: it is no"),
    ],
)
def test_a_plan_that_is_refused_when_it_is_loaded(
    start: Callable[..., Running], tmp_path: Path, dtype: str, content: bytes | None, says: str
) -> None:
    repo = repository(tmp_path, dtype=dtype)
    if content is not None:
        (repo / "m" / "1" / "a.plan").write_bytes(rtx_plan("8.9") + content)
    server = start(repo, device="cuda:0", exit_on_error=False, grpc_port=-1)
    with http_client.InferenceServerClient(server.http) as client:
        assert not client.is_server_ready()
        assert not client.is_model_ready("m")
        (row,) = client.get_model_repository_index()
    assert row["state"] == "UNAVAILABLE"
    assert says in row["reason"]
    server.stop()
    for fallback in ("auto", "none"):
        (found,) = check(Settings(repositories=(repo,), fallback=fallback))
        assert says in found.problem
        assert found.problem.startswith("model 'm' cannot run here: ")
    (found,) = check(Settings(repositories=(repo,), fallback="onnx"))
    assert found.runs_on == "onnxruntime on cpu"
    assert says in found.why


def test_a_gpu_that_cannot_be_used_is_an_error_of_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer, "LIBRARY", "libno-such-driver.so.1")
    repo = repository(tmp_path)
    (row,) = check(Settings(repositories=(repo,)))
    assert "the GPU cannot be used: no CUDA driver" in row.problem
    (row,) = check(Settings(repositories=(repo,), fallback="onnx"))
    assert row.runs_on == "onnxruntime on cpu"
    assert "the GPU cannot be used: no CUDA driver" in row.why


def test_a_plan_with_a_runtime_of_its_own_needs_consent(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    plan = repo / "m" / "1" / "a.plan"
    plan.write_bytes(plan.read_bytes().replace(b'{"tensors"', b'{"host_code": true, "tensors"'))
    (row,) = check(Settings(repositories=(repo,)))
    assert (
        "Engine host code is not allowed (its code is run with --version-compatible" in row.problem
    )
    (row,) = check(Settings(repositories=(repo,), version_compatible=True))
    assert row.runs_on.startswith("tensorrt_rtx on cuda:0")


def test_a_refusal_says_how_much_memory_the_gpu_has(tmp_path: Path) -> None:
    repo = repository(tmp_path)
    (repo / "m" / "1" / "a.plan").write_bytes(rtx_plan("8.9") + b"{")
    (row,) = check(Settings(repositories=(repo,)))
    assert "it is no engine (the file is damaged: " in row.problem
    assert "; 3 of 24576 MiB are free on cuda:0" in row.problem


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch, driver: StandIn) -> Iterator[Callable[[], None]]:
    """Makes the GPU one whose kernel has faulted, for this process as long as the test runs."""
    monkeypatch.setattr(FAULTS, "_lost", {})
    monkeypatch.setattr(FAULTS, "_kept", [])
    yield lambda: driver.fault(700)
    driver.fault(0)


WORDS = "cuda:0 has faulted and cannot be used until the server is started again: "


@pytest.mark.parametrize("before", [1, 5], ids=["on a thread", "on the loop, known by then"])
def test_a_kernel_that_faults_takes_all_models_of_its_gpu_out_of_service(
    start: Callable[..., Running], tmp_path: Path, fault: Callable[[], None], before: int
) -> None:
    repo = repository(tmp_path)
    path = put(repo, "other", identity(), CONFIG)
    (path / "1" / "a.plan").write_bytes((repo / "m" / "1" / "a.plan").read_bytes())
    put(repo, "processor", identity(), 'backend: "onnxruntime" instance_group { kind: KIND_CPU }')
    server = start(repo, control="explicit", load_models=("*",), grpc_port=-1)
    for _ in range(before):
        ask(server, values((1, 16)))
    fault()
    with pytest.raises(InferenceServerException, match=WORDS):  # the request that met it
        ask(server, values((1, 16)))
    asyncio.run_coroutine_threadsafe(server.server.lost_gpu.wait(), server.loop).result(30)
    with http_client.InferenceServerClient(server.http) as client:
        ready = {name: client.is_model_ready(name) for name in ("m", "other", "processor")}
        assert ready == {"m": False, "other": False, "processor": True}
        assert not client.is_server_ready()
        index = {row["name"]: row for row in client.get_model_repository_index()}
        for name in ("m", "other"):
            assert index[name]["state"] == "UNAVAILABLE"
            assert index[name]["reason"].startswith(WORDS)
            with pytest.raises(InferenceServerException, match=f"'{name}' is unavailable") as told:
                ask_model(client, name)
            assert told.value.status() == "503"
        ask_model(client, "processor")
        with pytest.raises(InferenceServerException, match=WORDS):
            client.load_model("other")
    server.stop()


def test_a_fault_that_a_load_meets_is_told_as_such(
    tmp_path: Path, fault: Callable[[], None]
) -> None:
    repo = repository(tmp_path)
    (repo / "m" / "1" / "a.plan").write_bytes(rtx_plan("8.9") + b"{")
    fault()
    (row,) = check(Settings(repositories=(repo,), fallback="onnx"))
    assert row.problem.startswith(WORDS)


def ask_model(client: Any, name: str) -> None:
    tensor = http_client.InferInput("INPUT0", [1, 16], "FP32")
    tensor.set_data_from_numpy(np.zeros((1, 16), np.float32))
    client.infer(name, [tensor])


def test_memory_that_runs_out_amid_a_request_is_that_request_s_error_alone(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(repository(tmp_path), grpc_port=-1)
    failing = CudaError("cuMemAlloc_v2 answered 2 (out of memory)", code=2)
    monkeypatch.setattr(Lane, "place", Mock(side_effect=failing))
    with pytest.raises(InferenceServerException, match="out of memory"):
        ask(server, values((1, 16)))
    monkeypatch.undo()
    given = values((3, 16))
    np.testing.assert_array_equal(ask(server, given), given)
    server.stop()
