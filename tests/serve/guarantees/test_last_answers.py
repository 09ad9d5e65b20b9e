"""The last answers before the end reach clients that go on sending.

A socket that is closed with unread bytes resets its connection, and a client that meets the reset
while it writes gives up what it has not read yet: grpcio lost answers so, one end in fifty.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from tests.serve.clients.served import Served
from tests.serve.gated import Gate, put_gated, request_of, until
from tests.serve.sockets.wire import GrpcCalls, answers, framed
from tests.work import HANGS_S

BODY = b'{"inputs": [{"name": "INPUT0", "shape": [1, 1], "datatype": "INT32", "data": [1]}]}'
POST = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)
LATER = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
PING = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[tuple[Served, Gate]]:
    (folder / "repository").mkdir()
    gate = put_gated(folder / "repository", "m")
    server = Served(folder / "repository", folder / "log", *options)
    try:
        yield server, gate
    finally:
        server.process.kill()
        server.process.wait()


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def end(server: Served) -> None:
    """Tell the server to end, and wait until it has heard."""

    def ready() -> bool:
        connection = HTTPConnection(server.http, timeout=30)
        connection.request("GET", "/v2/health/ready")
        status = connection.getresponse().status
        connection.close()
        return status == 200

    server.process.terminate()
    until(lambda: not ready())


def until_the_end(connection: socket.socket, more: bytes, take: Callable[[bytes], None]) -> None:
    """Read all, and before each read send something that no answer is owed to."""
    connection.settimeout(0.001)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for _ in range(3):
            connection.sendall(more)
            time.sleep(0.0002)
        try:
            data = connection.recv(1 << 16)
        except TimeoutError:
            continue
        if not data:
            return
        take(data)
    raise AssertionError("the server does not end the connection")


def ended_streams(data: bytes) -> list[int]:
    """The streams that frames with END_STREAM are of; h2 takes nothing any more after a GOAWAY."""
    found = []
    while data:
        length, flags = int.from_bytes(data[:3], "big"), data[4]
        assert len(data) >= 9 + length, "a frame is torn"
        if data[3] in (0, 1) and flags & 1:
            found.append(int.from_bytes(data[5:9], "big"))
        data = data[9 + length :]
    return found


def ask_and_end(server: Served, gate: Gate, calls: GrpcCalls) -> int:
    """The stream of a call that runs while the server is told to end."""
    calls.settle()
    with gate.held(1):
        stream = calls.begin()
        calls.send(stream, framed(request_of("m", 1)))
        gate.until_running(1)
        end(server)
    return stream


def test_over_grpc(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, gate), GrpcCalls(connected(server.grpc)) as calls:
        stream = ask_and_end(server, gate, calls)
        received: list[bytes] = []
        until_the_end(calls.socket, PING, received.append)
        assert ended_streams(b"".join(received)) == [stream]
        calls.socket.close()
        assert server.process.wait(30) == 0


def test_over_http(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, gate), connected(server.http) as connection:
        with gate.held(1):
            connection.sendall(POST + BODY)
            gate.until_running(1)
            end(server)
        received: list[bytes] = []
        until_the_end(connection, LATER, received.append)
        first, *_ = answers(b"".join(received))
        assert (first.status, first.headers["connection"]) == (200, "close")
        connection.close()
        assert server.process.wait(30) == 0


def test_who_never_closes_delays_the_end_but_shortly(tmp_path: Path) -> None:
    """It may take an hour for requests under way, and does not for who has none."""
    waits = "--exit-timeout-secs=3600"
    with serving(tmp_path, waits) as (server, gate), GrpcCalls(connected(server.grpc)) as calls:
        ask_and_end(server, gate, calls)
        assert server.process.wait(HANGS_S) == 0
