"""The whole server against clients that nobody wrote for it."""

import asyncio
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http_client
import tritonclient.http.aio as http_aio
from onnx import TensorProto
from tritonclient.utils import InferenceServerException

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, add_sub, identity, put, slow
from trtbuild.errors import UsageError

DTYPES = {
    "FP32": (TensorProto.FLOAT, np.float32),
    "FP64": (TensorProto.DOUBLE, np.float64),
    "FP16": (TensorProto.FLOAT16, np.float16),
    "INT8": (TensorProto.INT8, np.int8),
    "INT16": (TensorProto.INT16, np.int16),
    "INT32": (TensorProto.INT32, np.int32),
    "INT64": (TensorProto.INT64, np.int64),
    "UINT8": (TensorProto.UINT8, np.uint8),
    "UINT16": (TensorProto.UINT16, np.uint16),
    "UINT32": (TensorProto.UINT32, np.uint32),
    "UINT64": (TensorProto.UINT64, np.uint64),
    "BOOL": (TensorProto.BOOL, np.bool_),
    "BYTES": (TensorProto.STRING, np.object_),
    "BF16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
}


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16 + "dynamic_batching {}")
    put(repository, "add_sub", add_sub())
    put(repository, "unbatched", add_sub(batched=False))
    put(repository, "image", identity(dims=["batch", 3, 224, 224]))
    labelled = CONFIG_16.replace('"OUTPUT0"', '"OUTPUT0" label_filename: "labels.txt"')
    put(repository, "labelled", identity(), labelled)
    (repository / "labelled" / "labels.txt").write_text("zero\none\ntwo\n")
    for name, (onnx_type, _) in DTYPES.items():
        put(repository, f"of_{name}", identity(onnx_type, ["batch", "any"]))
    return start(repository)


Client = Any


@pytest.fixture(params=["http", "grpc"])
def protocol(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def client(protocol: str, server: Running) -> Client:
    if protocol == "http":
        with http_client.InferenceServerClient(server.http, concurrency=8) as client:
            yield client
    else:
        with grpc_client.InferenceServerClient(server.grpc) as client:
            yield client


def module_of(protocol: str) -> Any:
    return http_client if protocol == "http" else grpc_client


def tensor(module: Any, name: str, values: np.ndarray, dtype: str | None = None) -> Any:
    made = module.InferInput(name, list(values.shape), dtype or "FP32")
    made.set_data_from_numpy(values)
    return made


def sample(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    random = np.random.default_rng(7)
    if dtype == "BYTES":
        words = [b"", b"plain", "ünïcode".encode(), b"a" * 300]
        return random.choice(np.array(words, dtype=object), shape)
    if dtype == "BF16":
        return random.integers(-8, 8, shape).astype(ml_dtypes.bfloat16)
    return (random.random(shape) * 100).astype(DTYPES[dtype][1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_data_type_comes_back(client: Client, protocol: str, dtype: str) -> None:
    values = sample(dtype, (3, 5))
    module = module_of(protocol)
    result = client.infer(f"of_{dtype}", [tensor(module, "INPUT0", values, dtype)])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


@pytest.mark.parametrize("dtype", [name for name in DTYPES if name not in ("FP16", "BF16")])
def test_json_tensors_come_back(server: Running, dtype: str) -> None:
    values = sample(dtype, (2, 3))
    with http_client.InferenceServerClient(server.http) as client:
        given = http_client.InferInput("INPUT0", [2, 3], dtype)
        given.set_data_from_numpy(values, binary_data=False)
        wanted = http_client.InferRequestedOutput("OUTPUT0", binary_data=False)
        result = client.infer(f"of_{dtype}", [given], outputs=[wanted])
    found = result.as_numpy("OUTPUT0")
    if dtype == "BYTES":
        values = np.array([[each.decode() for each in row] for row in values], dtype=object)
        found = np.array([[str(each) for each in row] for row in found], dtype=object)
    np.testing.assert_array_equal(found, values)


def test_two_inputs_and_chosen_outputs(client: Client, protocol: str) -> None:
    module = module_of(protocol)
    left = np.arange(32, dtype=np.int32).reshape(2, 16)
    right = np.ones((2, 16), np.int32)
    inputs = [tensor(module, "INPUT1", right, "INT32"), tensor(module, "INPUT0", left, "INT32")]
    outputs = [module.InferRequestedOutput("OUTPUT1")]
    result = client.infer("add_sub", inputs, outputs=outputs, request_id="my id")
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), left - right)
    assert result.as_numpy("OUTPUT0") is None
    response = result.get_response()
    assert (response["id"] if protocol == "http" else response.id) == "my id"


def test_a_model_without_a_batch_dim(client: Client, protocol: str) -> None:
    module = module_of(protocol)
    values = np.arange(16, dtype=np.int32)
    inputs = [tensor(module, name, values, "INT32") for name in ("INPUT0", "INPUT1")]
    result = client.infer("unbatched", inputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values * 2)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), values * 0)


def test_large_tensors(client: Client, protocol: str) -> None:
    values = np.random.default_rng(1).random((4, 3, 224, 224), np.float32)
    result = client.infer("image", [tensor(module_of(protocol), "INPUT0", values)])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


def test_classification_with_labels(client: Client, protocol: str) -> None:
    module = module_of(protocol)
    values = np.zeros((2, 16), np.float32)
    values[0, 1], values[0, 5], values[1, 2] = 0.5, 0.25, 2
    outputs = [module.InferRequestedOutput("OUTPUT0", class_count=2)]
    result = client.infer("labelled", [tensor(module, "INPUT0", values)], outputs=outputs)
    assert result.as_numpy("OUTPUT0").tolist() == [
        [b"0.500000:1:one", b"0.250000:5"],
        [b"2.000000:2:two", b"0.000000:0:zero"],
    ]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compression_both_ways(server: Running, coding: str) -> None:
    values = np.ones((3, 16), np.float32)
    with http_client.InferenceServerClient(server.http) as client:
        given = tensor(http_client, "INPUT0", values)
        result = client.infer(
            "identity", [given], request_compression_algorithm=coding,
            response_compression_algorithm=coding,
        )  # fmt: skip
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)
    with grpc_client.InferenceServerClient(server.grpc) as client:
        given = tensor(grpc_client, "INPUT0", values)
        result = client.infer("identity", [given], compression_algorithm=coding)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


def test_health_metadata_config_and_index(client: Client, protocol: str) -> None:
    options = {} if protocol == "http" else {"as_json": True}
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("identity")
    assert client.is_model_ready("identity", "1")
    assert not client.is_model_ready("identity", "2")
    assert not client.is_model_ready("nothing")
    assert client.get_server_metadata(**options)["name"] == "trtserve"
    metadata = client.get_model_metadata("add_sub", **options)
    assert [each["name"] for each in metadata["inputs"]] == ["INPUT0", "INPUT1"]
    assert [int(dim) for dim in metadata["inputs"][0]["shape"]] == [-1, 16]
    config = client.get_model_config("add_sub", **options)
    config = config if protocol == "http" else config["config"]
    assert config["max_batch_size"] == 4
    assert config["dynamic_batching"]["preferred_batch_size"] == [4]
    index = client.get_model_repository_index(**options)
    index = index if protocol == "http" else index["models"]
    assert {"name": "identity", "version": "1", "state": "READY"} in index


def test_statistics_count_requests(client: Client, protocol: str, server: Running) -> None:
    def statistics() -> Any:
        options = {} if protocol == "http" else {"as_json": True}
        return client.get_inference_statistics("labelled", **options)["model_stats"][0]

    given = tensor(module_of(protocol), "INPUT0", np.zeros((3, 16), np.float32))
    client.infer("labelled", [given])
    before = statistics()
    client.infer("labelled", [given])
    client.infer("labelled", [given])
    after = statistics()
    assert int(after["inference_count"]) - int(before["inference_count"]) == 6
    assert int(after["execution_count"]) - int(before["execution_count"]) == 2
    counts = [int(each["inference_stats"]["success"]["count"]) for each in (before, after)]
    assert counts[1] - counts[0] == 2
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        text = response.read().decode()
    count = int(after["inference_count"])
    assert f'nv_inference_count{{model="labelled",version="1"}} {count}\n' in text
    assert 'nv_inference_request_failure{model="identity",version="1",reason="REJECTED"} 0' in text


@pytest.mark.parametrize(
    ("model", "shape", "dtype", "name", "words"),
    [
        ("nothing", (1, 16), "FP32", "INPUT0", "Request for unknown model: 'nothing' is not found"),
        ("identity", (1, 15), "FP32", "INPUT0", "unexpected shape for input 'INPUT0'"),
        ("identity", (65, 16), "FP32", "INPUT0", "batch-size must be <= 64"),
        ("identity", (1, 16), "INT32", "INPUT0", "data-type is 'INT32', but model 'identity'"),
        ("identity", (1, 16), "FP32", "OTHER", "unexpected inference input 'OTHER'"),
        ("add_sub", (1, 16), "INT32", "INPUT0", "missing required input"),
    ],
)
def test_bad_requests_are_told_why(
    client: Client, protocol: str, model: str, shape: tuple[int, ...], dtype: str, name: str,
    words: str,
) -> None:  # fmt: skip
    given = tensor(module_of(protocol), name, np.zeros(shape, DTYPES[dtype][1]), dtype)
    with pytest.raises(InferenceServerException, match=words.replace("[", r"\[")) as caught:
        client.infer(model, [given])
    unknown = model == "nothing"
    expected = {"http": "404" if unknown else "400",
                "grpc": "NOT_FOUND" if unknown else "INVALID_ARGUMENT"}  # fmt: skip
    assert expected[protocol] in str(caught.value.status())
    assert client.is_server_live()


def test_the_asyncio_clients(server: Running) -> None:
    values = np.random.default_rng(2).random((2, 16), np.float32)

    async def ask(module: Any, sync: Any, url: str) -> None:
        async with module.InferenceServerClient(url) as client:
            given = tensor(sync, "INPUT0", values)
            results = await asyncio.gather(*(client.infer("identity", [given]) for _ in range(50)))
            for result in results:
                np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)

    asyncio.run(ask(http_aio, http_client, server.http))
    asyncio.run(ask(grpc_aio, grpc_client, server.grpc))


def test_many_at_once_get_each_its_own(server: Running) -> None:
    calls = [np.full((1 + number % 3, 16), number, np.float32) for number in range(200)]

    async def ask() -> None:
        async with grpc_aio.InferenceServerClient(server.grpc) as client:
            pending = [client.infer("identity", [tensor(grpc_client, "INPUT0", v)]) for v in calls]
            for values, result in zip(calls, await asyncio.gather(*pending), strict=True):
                np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)

    asyncio.run(ask())


def test_curl(server: Running) -> None:
    body = {"inputs": [{"name": "INPUT0", "shape": [1, 2], "datatype": "FP32", "data": [1, 2.5]}]}
    done = subprocess.run(
        ["curl", "-s", "-d", json.dumps(body), f"http://{server.http}/v2/models/of_FP32/infer"],
        capture_output=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout)["outputs"] == [
        {"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 2], "data": [1.0, 2.5]}
    ]


def test_a_raw_binary_request(server: Running) -> None:
    values = np.arange(16, dtype=np.float32)
    request = urllib.request.Request(
        f"http://{server.http}/v2/models/identity/infer", values.tobytes(),
        {"Inference-Header-Content-Length": "0", "Content-Type": "application/octet-stream"},
    )  # fmt: skip
    with urllib.request.urlopen(request) as response:
        length = int(response.headers["Inference-Header-Content-Length"])
        body = response.read()
    assert json.loads(body[:length])["outputs"][0]["shape"] == [1, 16]
    np.testing.assert_array_equal(np.frombuffer(body[length:], np.float32), values)


def test_log_settings_over_both_protocols(client: Client, protocol: str) -> None:
    options = {} if protocol == "http" else {"as_json": True}
    client.update_log_settings({"log_verbose_level": 1}, **options)
    settings = client.get_log_settings(**options)
    client.update_log_settings({"log_verbose_level": 0})
    assert "1" in str(settings if protocol == "http" else settings["settings"]["log_verbose_level"])
    with pytest.raises(InferenceServerException, match="log file location"):
        client.update_log_settings({"log_file": "/tmp/elsewhere"})


def test_a_port_in_use_is_named(server: Running, start: Callable[..., Running]) -> None:
    port = server.server.ports["http"]
    with pytest.raises(UsageError, match=f"http port {port} of 127.0.0.1 is in use"):
        start(server.server._settings.repositories[0], http_port=port)


def start_process(repository: Path, *options: str) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """`trtbuild serve` as a process of its own, and the ports its log names."""
    code = (
        "import sys, typer; from trtbuild.cli import serve; app = typer.Typer(); "
        "app.command()(serve.command); app()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(repository), "--http-port=0", "--grpc-port=0",
         "--metrics-port=0", *options],
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    ports: dict[str, int] = {}
    assert process.stderr is not None
    for line in process.stderr:
        for protocol in ("http", "grpc", "metrics"):
            if f" {protocol} on 127.0.0.1:" in line:
                ports[protocol] = int(line.rsplit(":", 1)[1])
        if len(ports) == 3:
            break
    return process, ports


def test_sigterm_finishes_what_is_under_way(tmp_path: Path) -> None:
    put(tmp_path, "slow", slow(8000), CONFIG_16)
    process, ports = start_process(tmp_path)
    try:
        values = np.ones((1, 16), np.float32)
        with http_client.InferenceServerClient(f"127.0.0.1:{ports['http']}", concurrency=4) as c:
            pending = c.async_infer("slow", [tensor(http_client, "INPUT0", values)])
            time.sleep(0.15)
            process.send_signal(signal.SIGTERM)
            np.testing.assert_array_equal(pending.get_result().as_numpy("OUTPUT0"), values)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_second_signal_forces_the_end(tmp_path: Path) -> None:
    put(tmp_path, "slow", slow(400_000), CONFIG_16)
    process, ports = start_process(tmp_path)
    try:
        with http_client.InferenceServerClient(f"127.0.0.1:{ports['http']}", concurrency=4) as c:
            values = np.ones((1, 16), np.float32)
            pending = c.async_infer("slow", [tensor(http_client, "INPUT0", values)])
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert process.poll() is None
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 1
            with pytest.raises(Exception, match=r"connection closed|refused"):
                pending.get_result()
    finally:
        process.kill()
        process.communicate()


def test_check_says_what_would_run_and_what_would_not(tmp_path: Path) -> None:
    put(tmp_path, "good", identity())
    put(tmp_path, "broken", b"no model")
    process, _ = start_process(tmp_path, "--check")
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "ok: good version 1: onnxruntime on cpu" in out
    assert "error: broken version 1: cannot load model.onnx" in out
