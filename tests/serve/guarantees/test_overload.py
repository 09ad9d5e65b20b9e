"""Overload is refused at once, and costs no memory: measured on the server's process."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from tests.serve.clients.served import Served
from tests.serve.gated import Asking, Gate, answer, put_gated, refusal, request_of
from tests.serve.guarantees.test_reloading import rss_bytes

FULL = b'{"error":"Exceeds maximum queue size"}'
QUEUE = "dynamic_batching { default_queue_policy { max_queue_size: 2 } }"
AT_A_TIME = 200
# Refusals that are measured, after as many that are not: caches fill, the allocator settles.
REFUSED = 10_000
GROWTH_BYTES = 8 << 20


@pytest.fixture
def overloaded(tmp_path: Path) -> Iterator[tuple[Served, Gate]]:
    """A server whose only instance is held, and whose queue is full."""
    (tmp_path / "repository").mkdir()
    gate = put_gated(tmp_path / "repository", "m", QUEUE)
    server = Served(tmp_path / "repository", tmp_path / "log")
    asking = Asking(server.grpc)
    with gate.held(1):
        waiting = [asking.ask("m", 1)]
        gate.until_running(1)
        waiting += [asking.ask("m", value) for value in (2, 3)]
        while not asking.ask("m", 4).exception():
            pytest.fail("a request was served though the queue is full")
        yield server, gate
    assert [answer(each) for each in waiting] == [[1], [2], [3]]
    asking.close()
    assert server.stop() == 0


def request(values: int) -> bytes:
    given = {"name": "INPUT0", "shape": [1, values], "datatype": "INT32",
             "parameters": {"binary_data_size": 4 * values}}  # fmt: skip
    header = json.dumps({"inputs": [given]}).encode()
    data = bytes(4 * values)
    head = (
        f"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(header) + len(data)}"
        f"\r\nInference-Header-Content-Length: {len(header)}\r\n\r\n"
    )
    return head.encode() + header + data


def refuse(server: Served, count: int, values: int) -> None:
    """`count` requests over HTTP, each of which must be refused."""
    host, _, port = server.http.rpartition(":")
    together = max(1, AT_A_TIME // (1 + values // 1000))
    asked = request(values) * together
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        for _ in range(count // together):
            connection.sendall(asked)
            received = b""
            while received.count(FULL) < together:
                part = connection.recv(1 << 16)
                assert part, "the server closed the connection"
                received += part
            assert received.count(b"HTTP/1.1 503") == together


@pytest.mark.parametrize(("count", "values"), [(REFUSED, 1), (REFUSED // 20, 50_000)])
def test_refused_requests_over_http_leave_no_memory(
    overloaded: tuple[Served, Gate], count: int, values: int
) -> None:
    server, gate = overloaded
    refuse(server, count, values)
    before = rss_bytes(server)
    refuse(server, count, values)
    assert rss_bytes(server) - before < GROWTH_BYTES
    assert gate.batches == [[1]]  # nothing of it ran, and nothing was waited for


def test_refused_requests_over_grpc_leave_no_memory(overloaded: tuple[Served, Gate]) -> None:
    server, _ = overloaded
    data = request_of("m", *[5] * 1000)
    with grpc.insecure_channel(server.grpc) as channel:
        infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

        def ask(count: int) -> None:
            for _ in range(count // 50):
                for call in [infer.future(data, timeout=60) for _ in range(50)]:
                    assert refusal(call) == (
                        grpc.StatusCode.UNAVAILABLE, "Exceeds maximum queue size",
                    )  # fmt: skip

        ask(2000)
        before = rss_bytes(server)
        ask(2000)
        assert rss_bytes(server) - before < GROWTH_BYTES


def test_requests_that_expire_leave_no_memory(tmp_path: Path) -> None:
    """Those of the queue too: each is refused after its microsecond, while the instance is held."""
    (tmp_path / "repository").mkdir()
    policy = "allow_timeout_override: true default_timeout_microseconds: 600000000"
    gate = put_gated(
        tmp_path / "repository", "m", f"dynamic_batching {{ default_queue_policy {{ {policy} }} }}"
    )
    server = Served(tmp_path / "repository", tmp_path / "log")
    asking = Asking(server.grpc)
    with gate.held(1):
        running = asking.ask("m", 1)
        gate.until_running(1)
        sizes = []
        for _ in range(3):
            for _ in range(40):
                for call in [asking.ask("m", *[5] * 1000, timeout=1) for _ in range(50)]:
                    assert refusal(call)[1] == "Request timeout expired"
            sizes.append(rss_bytes(server))
        assert sizes[2] - sizes[1] < GROWTH_BYTES
    assert answer(running) == [1]
    asking.close()
    assert server.stop() == 0
    assert server.log.stat().st_size < 1 << 20  # nor does the log grow by a line a request
