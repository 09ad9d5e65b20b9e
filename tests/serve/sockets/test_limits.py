"""More connections than there may be: those that came first are served."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import identity, put

LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"


def connect(address: str) -> socket.socket:
    host, _, port = address.partition(":")
    return socket.create_connection((host, int(port)), timeout=20)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_too_many_connections(start: Callable[..., Running], tmp_path: Path, protocol: str) -> None:
    put(tmp_path, "m", identity())
    server = start(tmp_path, max_connections=3, max_connections_per_peer=3)
    connections = server.server.connections
    with ExitStack() as stack:
        there = [stack.enter_context(connect(server.http)) for _ in range(3)]
        until(lambda: len(connections) == 3)
        with connect(server.http if protocol == "http" else server.grpc) as refused:
            try:
                refused.sendall(LIVE)
                assert refused.recv(100) == b""
            except ConnectionError:
                pass  # closed, and told so by a reset
        for each in there:
            each.sendall(LIVE)
            assert each.recv(1000).startswith(b"HTTP/1.1 200")
        there[0].close()
        until(lambda: len(connections) == 2)
        again = stack.enter_context(connect(server.http))
        again.sendall(LIVE)
        assert again.recv(1000).startswith(b"HTTP/1.1 200")
    with connect(server.metrics) as metrics:  # has its own
        metrics.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert metrics.recv(1000).startswith(b"HTTP/1.1 200")
