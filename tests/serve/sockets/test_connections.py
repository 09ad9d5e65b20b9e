"""Clients that leave, stall, close half, or only sit there; overload and bad bytes."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, identity, put, slow


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16 + "dynamic_batching {}")
    limited = "dynamic_batching { default_queue_policy { max_queue_size: 2 } }"
    put(repository, "slow", slow(12_000), CONFIG_16.replace("64", "1") + limited)
    return start(repository, stall_timeout_s=1.0)


def body(rows: int = 1) -> bytes:
    return json.dumps({"inputs": [
        {"name": "INPUT0", "shape": [rows, 16], "datatype": "FP32", "data": [1.0] * 16 * rows}
    ]}).encode()  # fmt: skip


def head(model: str, length: int) -> bytes:
    return (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def connect(server: Running, protocol: str = "http") -> socket.socket:
    port = server.server.ports[protocol]
    return socket.create_connection(("127.0.0.1", port), timeout=10)


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def answer(connection: socket.socket) -> tuple[int, Any]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read() or b"null")


def test_pipelined_requests_are_answered_in_order(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall((head("identity", len(body())) + body()) * 3)
        data = b""
        while data.count(b"HTTP/1.1 200 OK") < 3 or not data.endswith(b"]}]}"):
            data += connection.recv(65536)


def test_full_queues_refuse_and_clients_that_leave_free_their_place(server: Running) -> None:
    waiting = server.server.models.version("slow").runner

    def send() -> socket.socket:
        connection = connect(server)
        connection.sendall(head("slow", len(body())) + body())
        return connection

    running = send()
    until(lambda: waiting.waiting == 0)
    time.sleep(0.05)
    first, second = send(), send()
    until(lambda: waiting.waiting == 2)
    with send() as refused:
        status, error = answer(refused)
    assert (status, error) == (503, {"error": "Exceeds maximum queue size"})
    first.close()
    until(lambda: waiting.waiting == 1)
    with send() as third:
        assert answer(second)[0] == 200
        assert answer(third)[0] == 200
    assert answer(running)[0] == 200
    running.close()
    second.close()


def test_a_cancelled_grpc_call_frees_its_place(server: Running) -> None:
    runner = server.server.models.version("slow").runner
    request = message("ModelInferRequest")(model_name="slow")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    request.raw_input_contents.append(bytes(64))
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        running = ask.future(request.SerializeToString())
        time.sleep(0.05)
        waiting = ask.future(request.SerializeToString())
        until(lambda: runner.waiting == 1)
        waiting.cancel()
        until(lambda: runner.waiting == 0)
        with pytest.raises(grpc.RpcError) as caught:
            ask(request.SerializeToString(), timeout=0.01)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert running.result()
    failures = server.server.models.version("slow").statistics.failures
    until(lambda: failures["CANCELED"] >= 2)


def test_slow_senders_are_dropped_and_idle_ones_are_not(server: Running) -> None:
    with connect(server) as idle, connect(server) as slow_head, connect(server) as slow_body:
        slow_head.sendall(b"GET / HT")
        slow_body.sendall(head("identity", 100) + b"{")
        assert slow_head.recv(100) == b""
        assert slow_body.recv(100) == b""
        idle.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200 OK")


def test_a_slow_sender_that_goes_on_is_served(server: Running) -> None:
    data = head("identity", len(body())) + body()
    with connect(server) as connection:
        for start in range(0, len(data), 7):
            connection.sendall(data[start : start + 7])
        assert answer(connection)[0] == 200


def test_many_idle_connections(server: Running) -> None:
    idle = [connect(server, "http" if n % 2 else "grpc") for n in range(400)]
    try:
        until(lambda: len(server.server.connections) >= 400)
        with grpc_client.InferenceServerClient(server.grpc) as client:
            given = grpc_client.InferInput("INPUT0", [1, 16], "FP32")
            given.set_data_from_numpy(np.ones((1, 16), np.float32))
            assert client.infer("identity", [given]).as_numpy("OUTPUT0").shape == (1, 16)
    finally:
        for connection in idle:
            connection.close()
    until(lambda: len(server.server.connections) < 100)


def test_expect_continue(server: Running) -> None:
    with connect(server) as connection:
        connection.sendall(head("identity", len(body())).replace(
            b"Host", b"Expect: 100-continue\r\nHost"))  # fmt: skip
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body())
        assert answer(connection)[0] == 200


def test_connection_close_and_http_1_0(server: Running) -> None:
    for request in (b"GET /v2 HTTP/1.0\r\n\r\n", b"GET /v2 HTTP/1.1\r\nConnection: close\r\n\r\n"):
        with connect(server) as connection:
            connection.sendall(request)
            data = b""
            while part := connection.recv(65536):
                data += part
        assert b"Connection: close" in data


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/identity/infer", 405),
        ("POST", "/v2/models/identity/config", 405),
        ("PUT", "/v2", 405),
        ("GET", "/nothing", 404),
        ("GET", "/v2/models/nothing/config", 404),
        ("GET", "/v2/models/identity/versions/9/stats", 404),
        ("GET", "/v2/models/identity/versions/9999999999999999999/config", 400),
        ("GET", "/v2/models/nothing/ready", 400),
        ("HEAD", "/v2/health/ready", 200),
        ("POST", "/v2/repository/models/identity/unload", 503),
        ("GET", "/v2/systemsharedmemory/status", 404),
    ],
)
def test_paths_and_methods(server: Running, method: str, path: str, status: int) -> None:
    connection = http.client.HTTPConnection(server.http, timeout=10)
    connection.request(method, path)
    assert connection.getresponse().status == status
    connection.close()


def test_a_decompression_bomb_is_refused(server: Running) -> None:
    import gzip

    packed = gzip.compress(b"[" * (200 << 20), 9)
    assert len(packed) < 1 << 20
    connection = http.client.HTTPConnection(server.http, timeout=30)
    connection.request("POST", "/v2/models/identity/infer", packed, {"Content-Encoding": "gzip"})
    response = connection.getresponse()
    assert (response.status, b"larger than" in response.read()) == (413, True)
    connection.close()


def test_deeply_nested_json_is_refused(server: Running) -> None:
    """CVE class: recursion in the JSON parser."""
    connection = http.client.HTTPConnection(server.http, timeout=30)
    for text in (b"[" * 100_000, b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[1,16],'
                 b'"data":' + b"[" * 500 + b"]" * 500 + b"}]}"):  # fmt: skip
        connection.request("POST", "/v2/models/identity/infer", text)
        response = connection.getresponse()
        assert (response.status, bool(response.read())) == (400, True)
    connection.close()


SAMPLE = head("identity", len(body())) + body()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_spoiled_http_gets_a_4xx_or_an_answer(server: Running, data: st.DataObject) -> None:
    spoiled = bytearray(SAMPLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with connect(server) as connection:
        connection.sendall(bytes(spoiled))
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert not received or received[9:10] in b"24" or received[9:12] in (b"501", b"505")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_spoiled_grpc_messages_get_a_status(server: Running, data: st.DataObject) -> None:
    request = message("ModelInferRequest")(model_name="identity", id="x")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    request.raw_input_contents.append(bytes(64))
    spoiled = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        try:
            ask(bytes(spoiled), timeout=10)
        except grpc.RpcError as error:
            assert error.code() in (
                grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.UNIMPLEMENTED,
            ), error  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.raw_input_contents.append(b"x"), "expected 1 raw_input_contents"),
        (lambda r: r.ClearField("raw_input_contents"), "expected 1 raw_input_contents"),
        (lambda r: r.raw_input_contents.__setitem__(0, bytes(63)), "expected 64, got 63"),
        (lambda r: r.inputs[0].shape.__setitem__(1, 2**62), "unexpected shape for input 'INPUT0'"),
        (lambda r: r.inputs[0].shape.__setitem__(0, -1), "batch dimension of at least 1"),
        (lambda r: setattr(r.inputs[0], "datatype", "FP99"), "has the datatype 'FP99'"),
        (lambda r: r.inputs[0].contents.fp32_contents.append(1), "contents field must not be"),
        (lambda r: r.outputs.add(name="OTHER"), "unexpected inference output 'OTHER'"),
        (lambda r: r.inputs.append(r.inputs[0]), "expected 1 inputs but got 2"),
        (lambda r: setattr(r.parameters["triton_x"], "bool_param", True), "are reserved"),
        (lambda r: setattr(r.inputs[0].parameters["shared_memory_region"], "string_param", "a"),
         "shared memory is not served"),
    ],
)  # fmt: skip
def test_bad_grpc_requests_are_told_why(
    server: Running, change: Callable[[Any], None], words: str
) -> None:
    request = message("ModelInferRequest")(model_name="identity")
    request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    request.raw_input_contents.append(bytes(64))
    change(request)
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.RpcError) as caught:
            ask(request.SerializeToString(), timeout=10)
    assert words in (caught.value.details() or "")


def test_typed_contents(server: Running) -> None:
    request = message("ModelInferRequest")(model_name="identity")
    given_input = request.inputs.add(name="INPUT0", datatype="FP32", shape=(1, 16))
    given_input.contents.fp32_contents.extend(range(16))
    with grpc.insecure_channel(server.grpc) as channel:
        ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        response = message("ModelInferResponse").FromString(ask(request.SerializeToString()))
    found = np.frombuffer(response.raw_output_contents[0], np.float32)
    np.testing.assert_array_equal(found, np.arange(16, dtype=np.float32))


def test_overload_from_many_threads_answers_everybody(server: Running) -> None:
    outcomes: list[str] = []

    def ask() -> None:
        connection = http.client.HTTPConnection(server.http, timeout=30)
        for _ in range(5):
            connection.request("POST", "/v2/models/slow/infer", body())
            response = connection.getresponse()
            response.read()
            outcomes.append(str(response.status))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 40
    assert set(outcomes) == {"200", "503"}
