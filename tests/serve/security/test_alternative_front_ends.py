"""What one front end forbids, another must not allow (CVE-2026-24207)."""

from __future__ import annotations

import socket

import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.sockets.wire import answers, called, exchange, framed, received

pytestmark = pytest.mark.usefixtures("no_traceback")


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_control_is_off_on_every_port(served: Running, verb: str) -> None:
    request = (
        f"POST /v2/repository/models/identity/{verb} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    )
    (answer,) = exchange(served, request)
    assert (answer.status, "not allowed" in answer.error) == (503, True)
    port = served.server.ports["metrics"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        (answer,) = answers(received(connection))
    assert answer.status in (404, 405)
    name = f"RepositoryModel{verb.title()}"
    body = message(f"{name}Request")(model_name="identity").SerializeToString()
    path = (":path", f"/inference.GRPCInferenceService/{name}")
    code, text = called(served, framed(body), path)
    assert (code, "not allowed" in text) == (14, True)


@pytest.mark.parametrize(
    "path",
    ["/v2/models/identity/infer", "/v2", "/v2/repository/index", "/metrics/../v2", "//v2"],
)
def test_the_metrics_port_serves_metrics_alone(served: Running, path: str) -> None:
    port = served.server.ports["metrics"]
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        (answer,) = answers(received(connection))
    assert answer.status in (404, 405)


def test_grpc_does_not_speak_http_1_and_http_does_not_speak_http_2(served: Running) -> None:
    with socket.create_connection(("127.0.0.1", served.server.ports["grpc"]), timeout=10) as c:
        c.sendall(b"GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        c.shutdown(socket.SHUT_WR)
        assert b"HTTP/1.1 200" not in received(c)
    (answer,) = exchange(served, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert answer.status in (400, 505)
