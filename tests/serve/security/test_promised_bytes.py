"""Many clients that promise much and send little, and one that has many connections.

What is held for all clients together counts what has come: promises took the budget that others'
requests needed, at the price of a byte each.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from trtserve.sockets.connections import peer_of

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import CONFIG_16, identity, put
from tests.serve.sockets.wire import asked, called, calls_to, connect, good_message, inputs, post

pytestmark = pytest.mark.usefixtures("no_traceback")
MIB = 1 << 20
_PROMISED = 8 * MIB
_CLIENTS = 60


@pytest.fixture
def server(start: Callable[..., Running], tmp_path: Path) -> Iterator[Running]:
    put(tmp_path, "identity", identity(), CONFIG_16)
    server = start(
        tmp_path, max_input_bytes=_PROMISED, max_held_bytes=16 * MIB, max_connections=200
    )
    yield server
    server.stop()


def others_are_served(server: Running) -> None:
    assert asked(server, inputs()).status == 200
    assert called(server, good_message())[0] == 0


@pytest.mark.parametrize("sent", [0, 1, 100, 70_000, 131_072])
@pytest.mark.parametrize("kind", ["length", "chunks"])
def test_http_bodies(server: Running, sent: int, kind: str) -> None:
    """At most sixteen times what a client has sent is held for it."""
    line = f"Content-Length: {_PROMISED}" if kind == "length" else "Transfer-Encoding: chunked"
    start = b"" if kind == "length" else b"%x\r\n" % _PROMISED
    with contextlib.ExitStack() as stack:
        for _ in range(_CLIENTS):
            connection = stack.enter_context(connect(server))
            connection.sendall(post(start + b"x" * sent, "identity", line))
        until(lambda: len(server.server.connections) == _CLIENTS)
        others_are_served(server)
        assert server.call(lambda: server.server._budget.used_bytes) <= _CLIENTS * 2 * (
            sent + 16384
        )


@pytest.mark.parametrize("sent", [1, 5000, 100_000])
def test_grpc_messages(server: Running, sent: int) -> None:
    with calls_to(server) as calls:
        for _ in range(_CLIENTS):
            stream = calls.begin()
            prefix = b"\0" + (_PROMISED - 100).to_bytes(4, "big")
            calls.send(stream, prefix + b"x" * sent, end=False)
        calls.settle()
        others_are_served(server)
        assert server.call(lambda: server.server._budget.used_bytes) <= _CLIENTS * (sent + 16384)


def test_what_has_come_counts(server: Running) -> None:
    """The bound itself: four bodies of which all but a byte is there are all that may be held."""
    with contextlib.ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(connect(server))
            connection.sendall(
                post(b"x" * (_PROMISED - 1), "identity", f"Content-Length: {_PROMISED}")
            )
        until(lambda: server.server._budget.full)
        assert asked(server, inputs()).status == 503
    until(lambda: not server.server._budget.used_bytes)
    others_are_served(server)


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_connections_of_one_peer(
    start: Callable[..., Running], tmp_path: Path, protocol: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """One address takes half of the connections; the next of its own is closed, others' are not."""
    put(tmp_path, "identity", identity(), CONFIG_16)
    server = start(tmp_path, max_connections=8, host="0.0.0.0")
    with contextlib.ExitStack() as stack:
        there = [stack.enter_context(connect(server, protocol)) for _ in range(4)]
        until(lambda: len(server.server.connections) == 4)
        for _ in range(3):
            with connect(server, protocol) as refused, contextlib.suppress(ConnectionError):
                while refused.recv(4096):
                    pass
        other = stack.enter_context(connected_from("127.0.0.2", server))
        other.sendall(b"GET /v2/health/live HTTP/1.1\r\n\r\n")
        assert other.recv(1000).startswith(b"HTTP/1.1 200")
        there.pop().close()
        until(lambda: len(server.server.connections) == 4)
        again = stack.enter_context(connect(server))
        again.sendall(b"GET /v2/health/live HTTP/1.1\r\n\r\n")
        assert again.recv(1000).startswith(b"HTTP/1.1 200")
    until(lambda: not len(server.server.connections))
    assert not server.server.connections._peers
    assert capfd.readouterr().err.count("127.0.0.1 has 4 connections") == 1


def connected_from(address: str, server: Running) -> socket.socket:
    where = ("127.0.0.1", server.server.ports["http"])
    return socket.create_connection(where, timeout=20, source_address=(address, 0))


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("192.0.2.1", 5), "192.0.2.1"),
        (("2001:db8:1:2:3:4:5:6", 5, 0, 0), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::", 5, 0, 0), "2001:db8:1:2::/64"),
        (("fe80::1%eth0", 5, 0, 2), "fe80::/64"),
        (("::ffff:192.0.2.1", 5, 0, 0), "192.0.2.1"),
        (None, ""), ("", ""), (("name", 1), "name"),
    ],
)  # fmt: skip
def test_who_a_peer_is(name: object, peer: str) -> None:
    class Transport:
        def get_extra_info(self, what: str) -> object:
            assert what == "peername"
            return name

    assert peer_of(Transport()) == peer  # type: ignore[arg-type]  # all that is asked of it
