"""Every data type, statistics, refusals, many at once, through a server in this process.

What each of tritonclient's clients can ask, and curl, is in `clients/`.
"""

import asyncio
import urllib.request
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http_client
import tritonclient.http.aio as http_aio
from tritonclient.utils import InferenceServerException

from tests.serve.backends.onnxruntime.onnx_models import DTYPES
from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, add_sub, identity, put


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16 + "dynamic_batching {}")
    put(repository, "add_sub", add_sub())
    put(repository, "unbatched", add_sub(batched=False))
    put(repository, "counted", identity(), CONFIG_16)
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


def test_a_model_without_a_batch_dim(client: Client, protocol: str) -> None:
    module = module_of(protocol)
    values = np.arange(16, dtype=np.int32)
    inputs = [tensor(module, name, values, "INT32") for name in ("INPUT0", "INPUT1")]
    result = client.infer("unbatched", inputs)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values * 2)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), values * 0)


def test_statistics_count_requests(client: Client, protocol: str, server: Running) -> None:
    def statistics() -> Any:
        options = {} if protocol == "http" else {"as_json": True}
        return client.get_inference_statistics("counted", **options)["model_stats"][0]

    given = tensor(module_of(protocol), "INPUT0", np.zeros((3, 16), np.float32))
    client.infer("counted", [given])
    before = statistics()
    client.infer("counted", [given])
    client.infer("counted", [given])
    after = statistics()
    assert int(after["inference_count"]) - int(before["inference_count"]) == 6
    assert int(after["execution_count"]) - int(before["execution_count"]) == 2
    counts = [int(each["inference_stats"]["success"]["count"]) for each in (before, after)]
    assert counts[1] - counts[0] == 2
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as response:
        text = response.read().decode()
    count = int(after["inference_count"])
    assert f'nv_inference_count{{model="counted",version="1"}} {count}\n' in text
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
