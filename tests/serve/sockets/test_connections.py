"""Clients that leave, stall, close half, or only sit there; overload and bad bytes."""

from __future__ import annotations

import http.client
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.sockets.limited import answer, body, connect, head
from tests.serve.sockets.wire import (
    answers,
    calls_to,
    framed,
    good_message,
    received,
)


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

        def one_waits() -> tuple[grpc.Future, grpc.Future]:
            """A call that runs, and one that waits: anew where both end before that is seen."""
            while True:
                pair = [ask.future(request.SerializeToString()) for _ in range(2)]
                while not all(call.done() for call in pair):
                    if runner.waiting == 1:
                        return pair[0], pair[1]
                    time.sleep(0.001)

        running, waiting = one_waits()
        waiting.cancel()
        until(lambda: runner.waiting == 0)
        with pytest.raises(grpc.RpcError) as caught:
            ask(request.SerializeToString(), timeout=0.01)
        assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert running.result()
    failures = server.server.models.version("slow").statistics.failures
    until(lambda: failures["CANCELED"] >= 2)


def test_half_closed_clients_get_their_answers(server: Running) -> None:
    """After the request only the sending half is closed: `nc`, and proxies that pass it on."""
    with connect(server) as connection:
        connection.sendall((head("slow", len(body())) + body()) * 2)
        connection.shutdown(socket.SHUT_WR)
        found = answers(received(connection))
    assert [each.status for each in found] == [200, 200]
    with calls_to(server) as calls:
        request = good_message()
        request.model_name = "slow"
        whole, torn = calls.begin(), calls.begin()
        calls.send(torn, framed(request.SerializeToString())[:50], end=False)
        calls.send(whole, framed(request.SerializeToString()))
        calls.socket.shutdown(socket.SHUT_WR)
        while whole not in calls.over:
            data = calls.socket.recv(1 << 16)
            assert data
            calls.take(data)
        assert calls.answer(whole)[0] == 0
        assert torn in calls.resets


def test_clients_of_both_protocols_that_leave_free_their_place(server: Running) -> None:
    runner = server.server.models.version("slow").runner
    with connect(server) as running:
        running.sendall(head("slow", len(body())) + body())
        until(lambda: runner.waiting == 0)
        time.sleep(0.05)
        with connect(server) as gone, calls_to(server) as calls:
            gone.sendall(head("slow", len(body())) + body())
            request = good_message()
            request.model_name = "slow"
            calls.send(calls.begin(), framed(request.SerializeToString()))
            until(lambda: runner.waiting == 2)
        until(lambda: runner.waiting == 0)
        assert answer(running)[0] == 200


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


def test_good_answers_say_that_they_are_the_last(server: Running) -> None:
    """Their heads are made once for all connections."""
    wire = head("identity", len(body())) + body()
    with connect(server) as connection:
        for _ in range(3):
            connection.sendall(wire)
            assert answer(connection)[0] == 200
        connection.sendall(wire.replace(b"Host", b"Connection: close\r\nHost"))
        data = b""
        while part := connection.recv(65536):
            data += part
    start, _, _ = data.partition(b"\r\n\r\n")
    assert start.startswith(b"HTTP/1.1 200 OK\r\nConnection: close\r\n")
    assert start.count(b"Connection") == 1


def test_clients_of_http_1_0_get_no_interim_answer(server: Running) -> None:
    wire = head("identity", len(body())).replace(b"HTTP/1.1", b"HTTP/1.0")
    with connect(server) as connection:
        connection.sendall(wire.replace(b"Host", b"Expect: 100-continue\r\nHost"))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):
            connection.recv(100)
        connection.settimeout(10)
        connection.sendall(body())
        assert answer(connection)[0] == 200


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "OPTIONS"])
def test_metrics_are_read_only(server: Running, method: str) -> None:
    with connect(server, "metrics") as connection:
        connection.sendall(f"{method} /metrics HTTP/1.1\r\nConnection: close\r\n\r\n".encode())
        received = connection.recv(1000)
    assert received.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD\r\n" in received


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/identity/infer", 405),
        ("POST", "/v2/models/identity/config", 405),
        ("PUT", "/v2", 405),
        ("GET", "/nothing", 404),
        ("GET", "/v2/models/nothing/config", 404),
        ("GET", "/v2/models/identity/versions/9/stats", 400),
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
