"""A server of real plans on this machine's GPU: answers, comes and goes, faults, memory."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException
from trtserve.checking import check
from trtserve.machine import Machine
from trtserve.settings import Settings

from tests.gpu_memory import full_gpu
from tests.serve.backends.tensorrt.real_plans import ON_GPU, plan_of, put_real
from tests.serve.conftest import Running
from tests.serve.models import identity, put
from trtbuild.cuda import DeviceMemory, lasting_context
from trtbuild.repository.layout import LOCK

pytestmark = ON_GPU
CYCLES = 200
SETTLED = 20  # cycles until all that is loaded once and kept is there
MIB = 1 << 20
_FULL = r"(?i)out ?of ?memory.*\d+ of \d+ MiB are free"


def ask(client: Any, name: str, rows: int = 3) -> None:
    """The plan's own answer: sums of a row, which no other model here makes."""
    given = np.arange(rows * 16, dtype=np.float32).reshape(rows, 16)
    tensor = http_client.InferInput("INPUT0", [rows, 16], "FP32")
    tensor.set_data_from_numpy(given)
    got = client.infer(name, [tensor]).as_numpy("OUTPUT0")
    sums = np.repeat(given.sum(axis=1, keepdims=True), 16, axis=1)
    np.testing.assert_allclose(got, sums, rtol=1e-3)


def gauges() -> dict[str, float]:
    return {each.metric: each.value for each in Machine().readings() if each.gpu_uuid}


def test_the_plan_answers_and_everything_says_so(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    server = start(put_real(tmp_path, "m"), grpc_port=-1)
    with http_client.InferenceServerClient(server.http) as client:
        for rows in (1, 8, 3):
            ask(client, "m", rows)
        metadata = client.get_model_metadata("m")
        (statistics,) = client.get_inference_statistics("m")["model_stats"]
    assert metadata["platform"] == "tensorrt_plan"
    for answer in (metadata, statistics):
        assert answer["trtserve_runs_on"].startswith("tensorrt on cuda:0 (plan model.sm")
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        text = response.read().decode()
    assert re.search(r'trtserve_model_fallback\{model="m",version="1"\} 0', text)
    assert 'runs_on="tensorrt on cuda:0 (plan ' in text
    server.stop()


def test_the_gauges_of_the_gpu_are_its_own() -> None:
    found = gauges()
    cuda = lasting_context(0)
    free, total = cuda.memory()
    assert 0 <= found["nv_gpu_utilization"] <= 1
    assert found["nv_gpu_memory_total_bytes"] == pytest.approx(total, rel=0.02)
    held = DeviceMemory(cuda, 2 << 30)
    grown = gauges()["nv_gpu_memory_used_bytes"] - found["nv_gpu_memory_used_bytes"]
    held.free()
    assert grown >= 1 << 30
    assert 0 < found["nv_gpu_power_usage"] <= 1.5 * found["nv_gpu_power_limit"]
    deadline = time.monotonic() + 30
    while gauges()["nv_energy_consumption"] <= found["nv_energy_consumption"]:
        assert time.monotonic() < deadline, "a GPU that is on uses energy"
    assert free > 0


def test_ten_plans_come_and_go(start: Callable[..., Running], tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(10)]
    put_real(tmp_path, *names)
    server = start(tmp_path, control="explicit", load_models=("*",), grpc_port=-1)
    with http_client.InferenceServerClient(server.http) as client:
        for name in names:
            ask(client, name)
        for name in names[::2]:
            client.unload_model(name)
        for name in names[1::2]:
            ask(client, name)
        for name in names:
            client.load_model(name)  # what is there is left as it is
            ask(client, name)
    server.stop()


def test_memory_comes_back(start: Callable[..., Running], tmp_path: Path) -> None:
    put_real(tmp_path, "m", "stays")
    server = start(tmp_path, control="explicit", load_models=("stays",), grpc_port=-1)
    used = []
    with http_client.InferenceServerClient(server.http, network_timeout=60) as client:
        for _ in range(CYCLES):
            client.load_model("m")
            ask(client, "m")
            client.unload_model("m")
            ask(client, "stays")
            used.append(gauges()["nv_gpu_memory_used_bytes"])
    server.stop()
    print("MiB in use after 1, 20 and 200 cycles:", *(used[at] / MIB for at in (0, 19, -1)))
    assert min(used[-20:]) <= max(used[SETTLED - 10 : SETTLED + 10]) + 8 * MIB, used


def test_a_full_gpu_is_an_error_of_the_model_that_does_not_fit(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    put_real(tmp_path, "early")
    put_real(tmp_path, "late", wide=2 * MIB)  # 256 MiB of weights
    server = start(tmp_path, control="explicit", load_models=("early",), grpc_port=-1)
    with http_client.InferenceServerClient(server.http) as client:
        ask(client, "early")
        with full_gpu():
            with pytest.raises(InferenceServerException, match=_FULL) as told:
                client.load_model("late")
            print(told.value)
            ask(client, "early")
            assert client.is_model_ready("early")
        client.load_model("late")
        ask(client, "late")
    server.stop()


def test_plans_that_do_not_run_say_why(tmp_path: Path) -> None:
    put_real(tmp_path, "cut", "other_release", "damaged")
    put_real(tmp_path, "stripped", "stripped_without_lock", wide=4096, stripped=True)
    plan_of(tmp_path, "stripped_without_lock").with_name(LOCK).unlink()
    plan = plan_of(tmp_path, "cut")
    plan.write_bytes(plan.read_bytes()[:-100])
    plan = plan_of(tmp_path, "other_release")
    data = bytearray(plan.read_bytes())
    data[25] += 1
    plan.write_bytes(data)
    plan = plan_of(tmp_path, "damaged")
    data = bytearray(plan.read_bytes())
    data[200:2000] = bytes(1800)
    plan.write_bytes(data)
    rows = {row.name: row.problem for row in check(Settings(repositories=(tmp_path,)))}
    print(rows)
    assert "was cut short" in rows["cut"]
    assert "was built by tensorrt" in rows["other_release"]
    assert "refuses" in rows["damaged"]
    assert "was built without its weights" in rows["stripped"]
    assert "was built without its weights" in rows["stripped_without_lock"]
    fallen = check(Settings(repositories=(tmp_path,), fallback="onnx"))
    assert all(row.runs_on.startswith("onnxruntime on ") for row in fallen)


@pytest.mark.parametrize("gpu_fault", ["exit", "stay"])
def test_a_kernel_that_writes_out_of_bounds(tmp_path: Path, gpu_fault: str) -> None:
    put_real(tmp_path, "one", "two")
    put(
        tmp_path,
        "processor",
        identity(),
        'backend: "onnxruntime" instance_group { kind: KIND_CPU }',
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.serve.backends.tensorrt.faulting_server"]
    process = subprocess.Popen(
        [*command, str(tmp_path), gpu_fault, str(port)], text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        with http_client.InferenceServerClient(f"127.0.0.1:{port}") as client:
            until(client.is_server_ready)
            ask(client, "one")
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout is not None
            assert process.stdout.readline() == "launched\n"
            with pytest.raises(InferenceServerException, match="has faulted") as told:
                ask(client, "one")
            assert told.value.status() == "503"
            if gpu_fault == "stay":
                _others_are_told(client)
                process.terminate()
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    print(said)
    assert process.returncode == 5, said
    assert "'two' is unavailable: cuda:0 has faulted" in said


def _others_are_told(client: Any) -> None:
    until(lambda: not client.is_model_ready("two"))
    rows = {row["name"]: row for row in client.get_model_repository_index()}
    assert rows["two"]["state"] == "UNAVAILABLE"
    assert "has faulted" in rows["two"]["reason"]
    assert rows["processor"]["state"] == "READY"
    with pytest.raises(InferenceServerException, match="'two' is unavailable"):
        ask(client, "two")
    assert not client.is_server_ready()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if condition():
                return
        time.sleep(0.05)
    raise AssertionError("not within a minute")
