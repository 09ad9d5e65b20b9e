"""Peers that send or read a byte now and then."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest
from h2.exceptions import StreamClosedError
from trtserve.protocols.http2_frames import PREFACE, SETTINGS, frame

from tests.serve.conftest import Running
from tests.serve.sockets.limited import BIG_ROWS, answer, body, connect, head
from tests.serve.sockets.wire import (
    answers,
    calls_to,
    framed,
    good_message,
    post,
    received,
)

BIG_ANSWER = BIG_ROWS * 64


def big_request() -> bytes:
    given = {"name": "INPUT0", "shape": [BIG_ROWS, 16], "datatype": "FP32",
             "parameters": {"binary_data_size": BIG_ANSWER}}  # fmt: skip
    wanted = {"name": "OUTPUT0", "parameters": {"binary_data": True}}
    header = json.dumps({"inputs": [given], "outputs": [wanted]}).encode()
    length = f"Inference-Header-Content-Length: {len(header)}"
    return post(header + bytes(BIG_ANSWER), "big", length)


def test_slow_senders_are_dropped_and_idle_ones_are_not(server: Running) -> None:
    with connect(server) as idle, connect(server) as slow_head, connect(server) as slow_body:
        slow_head.sendall(b"GET / HT")
        slow_body.sendall(head("identity", 100) + b"{")
        assert slow_head.recv(100) == b""
        assert slow_body.recv(100) == b""
        idle.sendall(b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n")
        assert idle.recv(100).startswith(b"HTTP/1.1 200 OK")


def until_closed(connection: socket.socket, step: Callable[[], object]) -> bytes:
    """Go on slowly until the server has enough; what it had sent."""
    connection.settimeout(0.05)
    data = b""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            part = connection.recv(10)
            if not part:
                return data
            data += part
            step()
        except TimeoutError:
            with suppress(OSError):
                step()
        except OSError:
            return data
    raise AssertionError("the server never had enough")


@pytest.mark.parametrize("data", [
    b"GET /v2/" + b"a" * 30_000,
    head("identity", 60_000) + b" " * 60_000,
    head("identity", 50_000_000) + b" " * 60_000,
    head("identity", 1).replace(b"Content-Length: 1", b"Transfer-Encoding: chunked")
    + b"1\r\n \r\n" * 10_000,
], ids=["head", "small body", "large body", "chunks"])  # fmt: skip
def test_a_byte_now_and_then_is_a_stall(server: Running, data: bytes) -> None:
    """Slow loris: each byte comes well within the timeout, the request never does."""
    with connect(server) as connection:
        start = data.index(b"\r\n\r\n") + 4 if b"\r\n\r\n" in data else 10
        connection.sendall(data[:start])
        rest = iter(data[start:])
        found = until_closed(connection, lambda: connection.sendall(bytes([next(rest)])))
        assert found == b""


def test_a_byte_now_and_then_is_a_stall_over_grpc(server: Running) -> None:
    """That stream alone is reset: the others, and the connection, go on."""
    with calls_to(server) as calls:
        slow_one = calls.begin()
        calls.send(slow_one, b"\0" + (1000).to_bytes(4, "big"), end=False)
        end = time.monotonic() + 20
        while slow_one not in calls.resets:
            assert time.monotonic() < end
            with suppress(StreamClosedError):
                calls.send(slow_one, b"x", end=False)
            calls.settle()
            time.sleep(0.05)
        good = calls.begin()
        calls.send(good, framed(good_message().SerializeToString()))
        assert calls.answer(good)[0] == 0


def test_a_torn_frame_is_a_stall(server: Running) -> None:
    with connect(server, "grpc") as connection:
        connection.sendall(PREFACE[:10])
        rest = iter(PREFACE[10:] + frame(SETTINGS, 0, 0) + bytes(60_000))
        assert until_closed(connection, lambda: connection.sendall(bytes([next(rest)])))


def test_a_reader_of_a_byte_now_and_then_is_a_stall(server: Running) -> None:
    """It is read to the end only by who reads on."""
    connections = server.server.connections
    with connect(server) as connection:
        connection.sendall(big_request())
        size, end = 0, time.monotonic() + 20
        while len(connections):
            assert time.monotonic() < end
            size += len(connection.recv(10))
            time.sleep(0.05)
        with suppress(ConnectionError):
            size += len(received(connection))
        assert size < BIG_ANSWER
    with connect(server) as connection:
        connection.sendall(big_request())
        connection.shutdown(socket.SHUT_WR)
        (whole,) = answers(received(connection))
    assert len(whole.body) > BIG_ANSWER


def test_a_slow_sender_that_goes_on_is_served(server: Running) -> None:
    data = head("identity", len(body())) + body()
    with connect(server) as connection:
        for start in range(0, len(data), 7):
            connection.sendall(data[start : start + 7])
        assert answer(connection)[0] == 200
