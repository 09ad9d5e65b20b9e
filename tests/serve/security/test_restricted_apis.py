"""`--http-restricted-api` and `--grpc-restricted-protocol`, as a real tritonserver has them.

After the tests of its own: qa/L0_http/http_restricted_api_test.py, qa/L0_grpc/python_unit_test.py
(RestrictedProtocolTest) and their test.sh. Each runs against both servers where Triton is there.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException
from trtserve.restrictions import CATEGORIES, restrictions_from_options

from tests import tritonserver
from tests.serve.conftest import Running
from tests.serve.differential.peers import Client, fill
from tests.serve.differential.triton import Triton
from trtbuild.errors import UsageError

pytestmark = pytest.mark.xdist_group("triton")
HTTP = ("model-repository:admin-key=admin-value", "inference,metadata:infer-key=infer-value")
GRPC = ("model-repository:admin-key=admin-value", "inference,health:infer-key=infer-value")
PREFIX = "triton-grpc-protocol-"
ADMIN, INFER = {"admin-key": "admin-value"}, {"infer-key": "infer-value"}


class Addresses(NamedTuple):
    http: str
    grpc: str


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    fill(folder)
    return folder


@pytest.fixture(
    scope="module",
    params=["ours", pytest.param("triton", marks=[
        pytest.mark.slow,
        pytest.mark.skipif(not tritonserver.PYTHON.exists(), reason="no tritonserver"),
    ])],
)  # fmt: skip
def addresses(
    request: pytest.FixtureRequest, start: Callable[..., Running], repository: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Addresses]:  # fmt: skip
    if request.param == "ours":
        server = start(
            repository,
            http_restricted=restrictions_from_options("http", HTTP),
            grpc_restricted=restrictions_from_options("grpc", GRPC),
        )
        yield Addresses(server.http, server.grpc)
        return
    options = [f"--http-restricted-api={each}" for each in HTTP]
    options += [f"--grpc-restricted-protocol={each}" for each in GRPC]
    triton = Triton(repository, tmp_path_factory.mktemp("triton"), *options)
    yield Addresses(f"127.0.0.1:{triton.http_port}", f"127.0.0.1:{triton.grpc_port}")
    triton.stop()


@pytest.fixture
def http(addresses: Addresses) -> Iterator[Any]:
    with http_client.InferenceServerClient(addresses.http) as client:
        yield client


@pytest.fixture
def grpc(addresses: Addresses) -> Iterator[Any]:
    with grpc_client.InferenceServerClient(addresses.grpc) as client:
        yield client


def tensor(module: Any) -> Any:
    given = module.InferInput("INPUT0", [1, 16], "FP32")
    given.set_data_from_numpy(np.ones((1, 16), np.float32))
    return given


def restricted(what: str) -> Any:
    return pytest.raises(InferenceServerException, match=f"This {what} is restricted")


def prefixed(headers: dict[str, str]) -> dict[str, str]:
    return {PREFIX + name: value for name, value in headers.items()}


# qa/L0_http/http_restricted_api_test.py (tritonclient adds to the headers that it is given)


def test_http_sanity(http: Any) -> None:
    http.get_inference_statistics("float")
    http.get_inference_statistics("float", headers=dict(INFER))


def test_http_model_repository(http: Any) -> None:
    with restricted("API"):
        http.unload_model("float", headers=dict(INFER))
    with pytest.raises(InferenceServerException, match="load / unload is not allowed"):
        http.unload_model("float", headers=dict(ADMIN))


def test_http_metadata(http: Any) -> None:
    with restricted("API"):
        http.get_server_metadata()
    http.get_server_metadata(dict(INFER))


def test_http_infer(http: Any) -> None:
    given = [tensor(http_client)]
    for _ in range(3):  # from the third on, a connection knows a request by its bytes
        http.infer("float", given, headers=dict(INFER))
    with restricted("API"):
        http.infer("float", given, headers={"test": "1"})
    http.infer("float", given, headers=dict(INFER))


# qa/L0_grpc/python_unit_test.py


def test_grpc_sanity(grpc: Any) -> None:
    grpc.get_inference_statistics("float")
    grpc.get_inference_statistics("float", headers=prefixed(INFER))


def test_grpc_model_repository(grpc: Any) -> None:
    with restricted("protocol"):
        grpc.unload_model("float", headers=prefixed(INFER))
    with pytest.raises(InferenceServerException, match="load / unload is not allowed"):
        grpc.unload_model("float", headers=prefixed(ADMIN))


def test_grpc_health(grpc: Any) -> None:
    with restricted("protocol"):
        grpc.is_server_live()
    assert grpc.is_server_live(prefixed(INFER))


def test_grpc_infer(grpc: Any) -> None:
    given = [tensor(grpc_client)]
    grpc.infer("float", given, headers=prefixed(INFER))
    with restricted("protocol"):
        grpc.infer("float", given, headers={"test": "1"})
    grpc.infer("float", given, headers=prefixed(INFER))


# What is what, path by path and call by call

_LOAD = "/v2/repository/models/float/load"
PATHS = [
    ("GET", "/v2", INFER), ("GET", "/v2/models/float", INFER), ("HEAD", "/v2", INFER),
    ("GET", "/v2/models/float/versions/1", INFER), ("POST", "/v2/models/float/infer", INFER),
    ("POST", "/v2/models/none/infer", INFER), ("POST", "/v2/repository/index", ADMIN),
    ("POST", _LOAD, ADMIN), ("POST", _LOAD.replace("load", "unload"), ADMIN),
    ("PUT", "/v2/models/float/infer", INFER), ("DELETE", "/v2", INFER),
    ("GET", "/v2/health/live", None), ("GET", "/v2/health/ready", None),
    ("GET", "/v2/models/float/ready", None), ("GET", "/v2/models/float/config", None),
    ("GET", "/v2/models/stats", None), ("GET", "/v2/models/float/stats", None),
    ("GET", "/v2/logging", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "key"), PATHS)
def test_paths(addresses: Addresses, method: str, path: str, key: dict[str, str] | None) -> None:
    client = Client(*addresses)
    wanted = next(iter(key or ()), "")

    def refused(headers: dict[str, str]) -> bool:
        answer = client.ask(method, path, b"", headers)
        if method != "HEAD" and answer.status == "403":
            assert answer.error == f"This API is restricted, expecting header '{wanted}'"
        return answer.status == "403"

    try:
        if key is None:
            assert not refused({})
            return
        ((name, value),) = key.items()
        assert not refused(key)
        assert not refused({name.upper(): value})
        for wrong in ({}, {name: value + "x"}, {name: value[:-1]}, {name: value.upper()},
                      {name: ""}, {PREFIX + name: value}, {value: name}):  # fmt: skip
            assert refused(wrong), wrong
    finally:
        client.close()


CALLS = [
    ("ServerLive", {}, INFER), ("ServerReady", {}, INFER), ("ModelReady", {"name": "float"}, INFER),
    ("ModelInfer", {}, INFER), ("RepositoryIndex", {}, ADMIN),
    ("RepositoryModelLoad", {"model_name": "float"}, ADMIN),
    ("RepositoryModelUnload", {"model_name": "float"}, ADMIN),
    ("ServerMetadata", {}, None), ("ModelMetadata", {"name": "float"}, None),
    ("ModelConfig", {"name": "float"}, None), ("ModelStatistics", {}, None),
    ("LogSettings", {}, None), ("/grpc.health.v1.Health/Check", {}, INFER),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "key"), CALLS)
def test_calls(
    addresses: Addresses, name: str, fields: dict[str, Any], key: dict[str, str] | None
) -> None:
    import grpc

    path = name if "/" in name else f"/inference.GRPCInferenceService/{name}"
    data = b"" if "/" in name else getattr(service_pb2, f"{name}Request")(**fields)
    data = data if isinstance(data, bytes) else data.SerializeToString()
    wanted = PREFIX + next(iter(key or ()), "")
    with grpc.insecure_channel(addresses.grpc) as channel:
        call = channel.unary_unary(path)

        def refused(headers: dict[str, str]) -> bool:
            try:
                call(data, timeout=10, metadata=tuple(headers.items()))
            except grpc.RpcError as error:
                if "is restricted" not in (error.details() or ""):
                    return False
                says = f"This protocol is restricted, expecting header '{wanted}'"
                assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, says)
                return True
            return False

        if key is None:
            assert not refused({})
            return
        assert not refused(prefixed(key))
        ((name, value),) = prefixed(key).items()
        for wrong in ({}, key, {name: value + "x"}, {name: value[1:]}, {name: ""}):
            assert refused(wrong), wrong


# The option itself: qa/L0_http/test.sh and qa/L0_grpc/test.sh


@pytest.mark.parametrize("protocol", ["http", "grpc"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("model-repository,health:k1=v1", "metadata,health:k2=v2"),
         "restricted {} 'health' can not be specified in multiple config groups"),
        (("health,health:k=v",), "restricted {} 'health' can not be specified"),
        (("model-reposit,health:k1=v1",), "unknown restricted {} 'model-reposit'"),
        (("health,:k=v",), "unknown restricted {} ''"), (("Health:k=v",), "unknown restricted {}"),
        (("health",), "option format is"), (("health:k",), "option format is"),
        ((":k=v",), "option format is"), (("health:=v",), "option format is"),
        (("health:k=",), "option format is"), (("",), "option format is"),
    ],
)  # fmt: skip
def test_options_that_say_nothing(protocol: str, options: tuple[str, ...], says: str) -> None:
    what = {"http": "api", "grpc": "protocol"}[protocol]
    with pytest.raises(UsageError, match=says.format(what)):
        restrictions_from_options(protocol, options)


@pytest.mark.slow
@pytest.mark.skipif(not tritonserver.PYTHON.exists(), reason="no tritonserver")
def test_triton_says_the_same_of_them(repository: Path, tmp_path: Path) -> None:
    for option, says in (
        ("--http-restricted-api=model-reposit:k=v", "unknown restricted api 'model-reposit'"),
        ("--grpc-restricted-protocol=health,health:k=v",
         "restricted protocol 'health' can not be specified in multiple config groups"),
        ("--http-restricted-api=health:k", "option format is"),
    ):  # fmt: skip
        process = tritonserver.start(tmp_path / "log", f"--model-repository={repository}", option)
        assert process.wait(60) != 0
        assert says in (tmp_path / "log").read_text()


def test_what_a_value_may_hold() -> None:
    """Everything behind the first `=` behind the first `:`; names of headers know no case."""
    found = restrictions_from_options("http", ["health,trace:Key=a=b:c,d \u00e9"])
    assert set(found) == {"health", "trace"}
    assert found["health"].header == "key"
    assert found["health"].lets("a=b:c,d \u00e9".encode().decode("latin-1"))  # as it comes
    assert not found["health"].lets("a=b:c,d")
    assert not found["health"].lets(None)
    assert set(restrictions_from_options("grpc", [",".join(CATEGORIES) + ":k=v"])) == set(
        CATEGORIES
    )


def test_streams_are_refused_too(start: Callable[..., Running], repository: Path) -> None:
    import grpc

    options = restrictions_from_options("grpc", GRPC)
    server = start(repository, grpc_restricted=options)
    with grpc.insecure_channel(server.grpc) as channel:
        watch = channel.unary_stream("/grpc.health.v1.Health/Watch")
        with pytest.raises(grpc.RpcError, match="This protocol is restricted"):
            next(watch(b"", timeout=10))
        metadata = ((PREFIX + "infer-key", "infer-value"),)
        assert next(watch(b"", timeout=10, metadata=metadata)) == b"\x08\x01"


def test_the_command_line_takes_them(repository: Path, tmp_path: Path) -> None:
    import sys

    done = subprocess.run(
        [sys.executable, "-m", "trtbuild", "serve", repository,
         "--http-restricted-api=model-repository,health:k1=v1",
         "--http-restricted-api", "metadata,health:k2=v2"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "restricted api 'health' can not be specified in multiple config groups" in done.stderr
