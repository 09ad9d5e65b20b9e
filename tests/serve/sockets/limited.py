"""A server with short queues and little patience, and JSON requests to it."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from tests.serve.conftest import Running

BIG_ROWS = 400_000  # of 64 bytes: 25 MB, more than the kernel's buffers take


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


def answer(connection: socket.socket) -> tuple[int, Any]:
    response = http.client.HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read() or b"null")
