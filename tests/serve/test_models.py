"""Loading, versions, reloading under load, control modes, and plans that do not fit."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException
from trtserve.repositories import model_directories

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import CONFIG_16, identity, plus, put
from trtbuild.errors import RepositoryError


def ask(server: Running, name: str, version: str = "") -> float:
    """What the model adds to zeros."""
    with http_client.InferenceServerClient(server.http) as client:
        given = http_client.InferInput("INPUT0", [1, 16], "FP32")
        given.set_data_from_numpy(np.zeros((1, 16), np.float32))
        return float(client.infer(name, [given], model_version=version).as_numpy("OUTPUT0")[0, 0])


def post(server: Running, path: str, body: Any = None) -> tuple[int, str]:
    data = b"" if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{server.http}{path}", data, method="POST")
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("policy", "versions"),
    [
        ("", ["3"]),
        ("version_policy { latest { num_versions: 2 } }", ["2", "3"]),
        ("version_policy { all {} }", ["1", "2", "3"]),
        ("version_policy { specific { versions: [1, 3, 9] } }", ["1", "3"]),
    ],
)
def test_version_policies(
    start: Callable[..., Running], tmp_path: Path, policy: str, versions: list[str]
) -> None:
    for number in (1, 2, 3):
        put(tmp_path, "m", plus(number), CONFIG_16 + policy, number)
    (tmp_path / "m" / "notes").mkdir()
    server = start(tmp_path, grpc_port=-1)
    with http_client.InferenceServerClient(server.http) as client:
        assert client.get_model_metadata("m")["versions"] == versions
    assert ask(server, "m") == 3
    assert ask(server, "m", versions[0]) == float(versions[0])
    with pytest.raises(InferenceServerException, match="version 8 is not found"):
        ask(server, "m", "8")


def test_explicit_control(start: Callable[..., Running], tmp_path: Path) -> None:
    put(tmp_path, "m", plus(1), CONFIG_16)
    put(tmp_path, "other", plus(5), CONFIG_16)
    server = start(tmp_path, control="explicit", load_models=("other",))
    with http_client.InferenceServerClient(server.http) as client:
        assert client.is_model_ready("other")
        assert not client.is_model_ready("m")
        client.load_model("m")
        assert ask(server, "m") == 1
        put(tmp_path, "m", plus(2), CONFIG_16)
        client.load_model("m")
        assert ask(server, "m") == 2
        put(tmp_path, "m", b"broken", CONFIG_16)
        with pytest.raises(InferenceServerException, match="load failed for model 'm'"):
            client.load_model("m")
        assert ask(server, "m") == 2  # the old version still serves
        client.unload_model("m")
        with pytest.raises(InferenceServerException, match="has no available versions"):
            ask(server, "m")
        with pytest.raises(InferenceServerException, match="failed to load 'absent'"):
            client.load_model("absent")
    with grpc_client.InferenceServerClient(server.grpc) as client:
        client.unload_model("other")
        assert not client.is_model_ready("other")


def test_a_load_may_bring_its_own_config_and_files(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    put(tmp_path, "m", plus(1), CONFIG_16)
    server = start(tmp_path, control="explicit")
    config = {"backend": "onnxruntime", "max_batch_size": 2}
    with http_client.InferenceServerClient(server.http) as client:
        client.load_model("m", config=json.dumps(config))
        assert client.get_model_config("m")["max_batch_size"] == 2
        client.load_model("m", config=json.dumps(config), files={"file:3/model.onnx": plus(7)})
    assert ask(server, "m", "3") == 7
    with grpc_client.InferenceServerClient(server.grpc) as client:
        client.load_model("new", config=json.dumps(config), files={"file:1/model.onnx": plus(9)})
    assert ask(server, "new") == 9


def test_control_modes_refuse_what_they_do_not_allow(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    put(tmp_path, "m", identity(), CONFIG_16)
    server = start(tmp_path)
    assert post(server, "/v2/repository/models/m/load")[0] == 503
    assert post(server, "/v2/repository/other/index")[0] == 501


def test_poll_follows_the_repository(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, "m", plus(1), CONFIG_16)
    server = start(tmp_path, control="poll", poll_s=0.05, grpc_port=-1)

    def becomes(value: Callable[[], Any], expected: Any) -> None:
        end = time.monotonic() + 10
        found = None
        while time.monotonic() < end:
            try:
                found = value()
            except InferenceServerException as error:
                found = error.status()
            if found == expected:
                return
            time.sleep(0.02)
        raise AssertionError(f"{found!r} did not become {expected!r}")

    put(tmp_path, "m", plus(2), CONFIG_16, version=2)
    becomes(lambda: ask(server, "m"), 2.0)
    put(tmp_path, "n", plus(3), CONFIG_16)
    becomes(lambda: ask(server, "n"), 3.0)
    shutil.rmtree(tmp_path / "m")
    becomes(lambda: ask(server, "m"), "404")
    said = [each.message.partition(":")[0] for each in caplog.records if "'m'" in each.message]
    assert [each for each in said if each.endswith(("ready", "unloaded"))] == [
        "'m' version 1 is ready", "'m' version 1 is unloaded",
        "'m' version 2 is ready", "'m' version 2 is unloaded",
    ]  # fmt: skip


PLANS = """
backend: "tensorrt_rtx"
max_batch_size: 64
input { name: "INPUT0" data_type: TYPE_FP32 dims: [16] }
output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [16] }
default_model_filename: "model.sm86.plan"
cc_model_filenames { key: "8.6" value: "model.sm86.plan" }
cc_model_filenames { key: "8.9" value: "model.sm86.plan" }
"""


def test_plans_that_do_not_fit_run_their_onnx_and_say_so(
    start: Callable[..., Running], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = put(tmp_path, "m", plus(4), PLANS)
    (folder / "1" / "model.sm86.plan").write_bytes(b"a plan for another machine")
    server = start(tmp_path, device="cpu")
    assert ask(server, "m") == 4
    why = "plans are for compute capability 8.6, 8.9; this machine has"
    assert any(why in record.message for record in caplog.records)
    with http_client.InferenceServerClient(server.http) as client:
        assert client.get_model_metadata("m")["platform"] == "onnxruntime_onnx"
        assert client.get_model_config("m")["backend"] == "tensorrt_rtx"
        stated = client.get_model_config("m")["parameters"]["trtserve_note"]["string_value"]
        assert why in stated
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        text = response.read().decode()
    assert 'trtserve_model_fallback{model="m",version="1",note="runs model.onnx' in text


def test_no_fallback_refuses_with_what_is_there_and_what_is_needed(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    put(tmp_path, "m", plus(4), PLANS)
    with pytest.raises(RepositoryError, match=r"its plans are for compute capability 8\.6, 8\.9; "):
        start(tmp_path, fallback="none")


def test_warm_up_runs_before_the_model_is_ready(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    warm = """
    model_warmup { name: "zeros" batch_size: 2 count: 3
      inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: [16] zero_data: true } } }
    model_warmup { name: "from file" batch_size: 1
      inputs { key: "INPUT0" value { data_type: TYPE_FP32 dims: [16] input_data_file: "x" } } }
    """
    folder = put(tmp_path, "m", plus(1), CONFIG_16 + warm)
    (folder / "warmup").mkdir()
    (folder / "warmup" / "x").write_bytes(np.ones(16, np.float32).tobytes())
    server = start(tmp_path)
    with http_client.InferenceServerClient(server.http) as client:
        statistics = client.get_inference_statistics("m")["model_stats"][0]
    assert statistics["inference_count"] == 0  # Triton does not count it either
    (folder / "warmup" / "x").write_bytes(b"short")
    with pytest.raises(RepositoryError, match="warm-up sample 'from file'"):
        start(tmp_path)


# Loads for as long as a file lies beside its folder.
LOADING = """
import pathlib
import time


class TritonPythonModel:
    def initialize(self, args):
        folder = pathlib.Path(args["model_repository"])
        (folder / "begun").touch()
        while folder.with_suffix(".hold").exists():
            time.sleep(0.005)
"""
LOADING_CONFIG = """
backend: "python"
input { name: "x" data_type: TYPE_FP32 dims: [1] }
output { name: "y" data_type: TYPE_FP32 dims: [1] }
"""


def test_requests_and_the_index_wait_for_no_load(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    """All threads that load are held: everything else goes on."""
    put(tmp_path, "m", plus(1), CONFIG_16)
    names = [f"held{number}" for number in range(4)]
    for name in names:
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.py").write_text(LOADING)
        (tmp_path / name / "config.pbtxt").write_text(LOADING_CONFIG)
        (tmp_path / f"{name}.hold").touch()
    server = start(tmp_path, control="explicit", load_models=("m",), load_threads=4)
    with ThreadPoolExecutor(4) as threads:
        loads = [threads.submit(post, server, f"/v2/repository/models/{each}/load")
                 for each in names]  # fmt: skip
        try:
            until(lambda: all((tmp_path / each / "begun").exists() for each in names))
            assert ask(server, "m") == 1
            status, index = post(server, "/v2/repository/index")
            assert (status, len(json.loads(index))) == (200, 5)
            assert not any(load.done() for load in loads)
        finally:
            for name in names:
                (tmp_path / f"{name}.hold").unlink()
        assert [load.result()[0] for load in loads] == [200] * 4


def test_a_repository_that_is_slow_to_list_holds_up_nobody(
    start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one on a network can be: requests are answered meanwhile."""
    put(tmp_path, "m", plus(1), CONFIG_16)
    server = start(tmp_path)
    begun, go_on = threading.Semaphore(0), threading.Event()

    def slow(*arguments: Any) -> Any:
        begun.release()
        assert go_on.wait(30)
        return model_directories(*arguments)

    monkeypatch.setattr("trtserve.models.model_directories", slow)
    with (
        ThreadPoolExecutor(2) as threads,
        grpc_client.InferenceServerClient(server.grpc) as client,
    ):
        asked = [threads.submit(post, server, "/v2/repository/index"),
                 threads.submit(client.get_model_repository_index, as_json=True)]  # fmt: skip
        try:
            assert begun.acquire(timeout=30)
            assert ask(server, "m") == 1
            assert not any(each.done() for each in asked)
        finally:
            go_on.set()
        row = {"name": "m", "version": "1", "state": "READY"}
        assert json.loads(asked[0].result()[1]) == [row]
        assert asked[1].result() == {"models": [row]}
