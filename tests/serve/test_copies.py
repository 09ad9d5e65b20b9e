"""How often a large tensor is copied between the socket and the model: docs/serve.md, "Copies".

The memory that the event loop reads into and writes from is compared with the model's own arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from trtserve.backends.onnxruntime.executor import OnnxExecutor
from trtserve.sockets.connections import scratch
from trtserve.sockets.http1 import HttpProtocol
from trtserve.sockets.http2 import GrpcProtocol
from trtserve.sockets.placing import Placing

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, plus, put

COLUMNS = 1_000_000  # 4 MB a row: far more than one read
CONFIG = CONFIG_16.replace("[16]", "[-1]")
TOGETHER = "dynamic_batching { preferred_batch_size: [2] max_queue_delay_microseconds: 600000000 }"
PYTHON = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        given = [pb_utils.get_input_tensor_by_name(each, "INPUT0").as_numpy() for each in requests]
        return [pb_utils.InferenceResponse([pb_utils.Tensor(
            "OUTPUT0", np.array([[each.flags.owndata]], np.float32))]) for each in given]
"""


class Seen:
    """Memory that was read into (the scratch apart), written from, and that a model was given."""

    def __init__(self) -> None:
        self.read: list[np.ndarray] = []
        self.written: list[np.ndarray] = []
        self.inputs: list[np.ndarray] = []
        self.outputs: list[np.ndarray] = []

    def watch(self, monkeypatch: pytest.MonkeyPatch, protocol: Any, reader: Any) -> None:
        get_buffer, connection_made = reader.get_buffer, protocol.connection_made

        def reading(self_: Any, sizehint: int) -> memoryview:
            buffer: memoryview = get_buffer(self_, sizehint)
            if buffer.obj is not scratch.obj:
                self.read.append(np.frombuffer(buffer, np.uint8))
            return buffer

        def connected(self_: Any, transport: Any) -> None:
            connection_made(self_, Watched(transport, self.written))

        monkeypatch.setattr(reader, "get_buffer", reading)
        monkeypatch.setattr(protocol, "connection_made", connected)

    def watch_model(self, monkeypatch: pytest.MonkeyPatch) -> None:
        execute = OnnxExecutor.execute

        def running(self_: Any, inputs: Any, outputs: Any) -> Any:
            self.inputs += inputs.values()
            found = execute(self_, inputs, outputs)
            self.outputs += found.values()
            return found

        monkeypatch.setattr(OnnxExecutor, "execute", running)


class Watched:
    """A transport whose large writes are noted."""

    def __init__(self, transport: Any, written: list[np.ndarray]) -> None:
        self._transport, self._written = transport, written

    def writelines(self, parts: Any) -> None:
        parts = list(parts)
        self._written += [np.frombuffer(part, np.uint8) for part in parts if len(part) > 4096]
        self._transport.writelines(parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "alone", _wide(plus(1)), CONFIG)
    put(repository, "together", _wide(plus(1)), CONFIG + TOGETHER)
    folder = put(repository, "python", b"", 'backend: "python"' + CONFIG)
    (folder / "1" / "model.py").write_text(PYTHON)
    return start(repository, metrics_port=-1)


def _wide(model: bytes) -> bytes:
    """The same with any number of columns."""
    proto = onnx.load_from_string(model)
    for tensor in (*proto.graph.input, *proto.graph.output):
        tensor.type.tensor_type.shape.dim[1].dim_param = "columns"
    made: bytes = proto.SerializeToString()
    return made


@pytest.fixture(params=["http", "grpc"])
def ask(request: pytest.FixtureRequest, server: Running) -> Callable[[str, float], Any]:
    module: Any = http_client if request.param == "http" else grpc_client
    url = server.http if request.param == "http" else server.grpc

    def ask(model: str, value: float) -> np.ndarray:
        given = module.InferInput("INPUT0", [1, COLUMNS], "FP32")
        given.set_data_from_numpy(np.full((1, COLUMNS), value, np.float32))
        with module.InferenceServerClient(url) as client:
            found: np.ndarray = client.infer(model, [given]).as_numpy("OUTPUT0")
            return found

    return ask


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    seen = Seen()
    seen.watch(monkeypatch, HttpProtocol, Placing)
    seen.watch(monkeypatch, GrpcProtocol, GrpcProtocol)
    seen.watch_model(monkeypatch)
    return seen


def shared(some: list[np.ndarray], array: np.ndarray) -> int:
    """The bytes of `array` that lie in any of these."""
    start, size = array.__array_interface__["data"][0], array.nbytes
    held = np.zeros(size, bool)
    for each in some:
        first = each.__array_interface__["data"][0] - start
        held[max(0, first) : max(0, first + each.nbytes)] = True
    return int(held.sum())


def test_a_request_that_is_a_batch_alone_stays_where_it_was_read_to(
    ask: Any, seen: Seen, request: pytest.FixtureRequest
) -> None:
    """But for what came in one read with a head, of the request or of one of HTTP/2's frames."""
    assert ask("alone", 3)[0, -1] == 4
    (given,), (made,) = seen.inputs, seen.outputs
    straight = shared(seen.read, given)
    if "http" in request.node.name:
        assert straight >= given.nbytes - len(scratch)
    else:
        assert straight > 0  # how much of it, the client's frames decide
    assert shared(seen.written, made) == made.nbytes


def test_a_request_that_came_before_is_read_to_its_place_from_the_first_byte_on(
    server: Running, seen: Seen
) -> None:
    given = http_client.InferInput("INPUT0", [1, COLUMNS], "FP32")
    with http_client.InferenceServerClient(server.http, concurrency=1) as client:
        for value in range(4):
            given.set_data_from_numpy(np.full((1, COLUMNS), value, np.float32))
            assert client.infer("alone", [given]).as_numpy("OUTPUT0")[0, -1] == value + 1
    copied = [each.nbytes - shared(seen.read, each) for each in seen.inputs]
    # The connection has seen the request twice then.
    assert copied[2:] == [0, 0], copied


def test_requests_that_share_a_batch_are_joined_once(ask: Any, seen: Seen) -> None:
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda value: ask("together", value), (1, 2)))
    assert [answer[0, -1] for answer in answers] == [2, 3]
    (given,), (made,) = seen.inputs, seen.outputs
    assert given.shape == (2, COLUMNS)
    assert shared(seen.read, given) == 0
    bodies = sum(each.nbytes for each in _distinct(seen.read))
    assert bodies < 2.1 * given.nbytes / 2  # each was read to one place, and joined from there
    assert shared(seen.written, made) == made.nbytes


def _distinct(arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Of those that end at one address, the longest: each is what was left of one body."""
    ends: dict[int, np.ndarray] = {}
    for each in arrays:
        end = each.__array_interface__["data"][0] + each.nbytes
        if end not in ends or ends[end].nbytes < each.nbytes:
            ends[end] = each
    return list(ends.values())


def test_a_python_model_sees_the_shared_memory_itself(ask: Any) -> None:
    """Nothing is copied in its process."""
    assert ask("python", 3).tolist() == [[0]]
