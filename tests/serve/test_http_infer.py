"""A connection that knows what comes next answers as one that does not."""

from __future__ import annotations

import contextlib
import gc
import json
import socket
import threading
import weakref
from collections.abc import Callable, Sequence
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trtserve.errors import Kind, ServeError
from trtserve.sockets.http1 import HttpProtocol
from trtserve.sockets.placing import Placing

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import CONFIG_16, add_sub, identity, plus, put

ADD_SUB = "".join(
    f'{kind} {{ name: "{kind.upper()}{index}" data_type: TYPE_INT32 dims: 16 }}\n'
    for kind in ("input", "output") for index in (0, 1)
)  # fmt: skip


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16 + "dynamic_batching {}")
    put(repository, "add_sub", add_sub(), "max_batch_size: 64\n" + ADD_SUB)
    put(repository, "wide", identity(dims=["batch", "columns"]), CONFIG_16.replace("[16]", "[-1]"))
    return start(repository)


def request(model: str, header: dict[str, object] | None, tensors: bytes, extra: str = "") -> bytes:
    text = b"" if header is None else json.dumps(header).encode()
    head = (
        f"POST /v2/models/{model}/infer HTTP/1.1\r\nHost: localhost\r\n{extra}"
        f"Inference-Header-Content-Length: {len(text)}\r\n"
        f"Content-Length: {len(text) + len(tensors)}\r\n\r\n"
    )
    return head.encode() + text + tensors


def binary(names: Sequence[str], rows: int, dtype: str, size: int) -> dict[str, object]:
    return {
        "inputs": [{"name": name, "shape": [rows, 16], "datatype": dtype,
                    "parameters": {"binary_data_size": size}} for name in names],
        "parameters": {"binary_data_output": True},
    }  # fmt: skip


def floats(rows: int, seed: int) -> bytes:
    return np.random.default_rng(seed).random((rows, 16), np.float32).tobytes()


def wide(columns: int, seed: int) -> bytes:
    """More than what is read at a time, from 16,385 columns on with memory of its own."""
    header = binary(["INPUT0"], 1, "FP32", 4 * columns)
    header["inputs"][0]["shape"] = [1, columns]  # type: ignore[index]  # JSON
    return request(
        "wide", header, np.random.default_rng(seed).random(columns, np.float32).tobytes()
    )


def ints(seed: int) -> bytes:
    return np.random.default_rng(seed).integers(0, 9, 16, np.int32).tobytes()


# What a client sends, by name; each takes a seed for its tensors.
KINDS: dict[str, Callable[[int], bytes]] = {
    "one row": lambda n: request(
        "identity", binary(["INPUT0"], 1, "FP32", 64), floats(1, n)),
    "two rows": lambda n: request(
        "identity", binary(["INPUT0"], 2, "FP32", 128), floats(2, n)),
    "raw": lambda n: request("identity", None, floats(1, n)),
    "two inputs": lambda n: request(
        "add_sub", binary(["INPUT0", "INPUT1"], 1, "INT32", 64), ints(n) + ints(n + 1)),
    "inputs in the other order": lambda n: request(
        "add_sub", binary(["INPUT1", "INPUT0"], 1, "INT32", 64), ints(n) + ints(n + 1)),
    "JSON": lambda n: request("identity", {"inputs": [
        {"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [float(n)] * 16}]}, b""),
    "gzip wanted": lambda n: request(
        "identity", binary(["INPUT0"], 1, "FP32", 64), floats(1, n), "Accept-Encoding: gzip\r\n"),
    "wrong size": lambda n: request(
        "identity", binary(["INPUT0"], 1, "FP32", 60), floats(1, n)),
    "unknown model": lambda n: request(
        "nobody", binary(["INPUT0"], 1, "FP32", 64), floats(1, n)),
    "large": lambda n: wide(25_000, n),
    "another large one": lambda n: wide(25_001, n),
    "larger than a read": lambda n: wide(80_000, n),
    "large with other JSON": lambda n: wide(25_000, n).replace(b'"INPUT0"', b'"INPUT9"'),
    "nearly large": lambda n: wide(16_300, n),
    "nearly the same": lambda n: request(
        "identity", binary(["INPUT9"], 1, "FP32", 64), floats(1, n)),
}  # fmt: skip


def connect(server: Running) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.server.ports["http"]), timeout=10)


def answer(connection: socket.socket) -> tuple[int, list[tuple[str, str]], bytes]:
    response = HTTPResponse(connection)
    response.begin()
    return response.status, response.getheaders(), response.read()


def asked_alone(server: Running, wire: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    with connect(server) as connection:
        connection.sendall(wire)
        return answer(connection)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(1, 4)), min_size=1, max_size=6),
    st.integers(0, 1000), st.one_of(st.integers(0, 400), st.integers(0, 330_000)),
)  # fmt: skip
def test_repetition_changes_no_answer(
    server: Running, kinds: list[tuple[str, int]], seed: int, cut: int
) -> None:
    with connect(server) as connection:
        for kind, times in kinds:
            for number in range(times):
                wire = KINDS[kind](seed + number)
                # At times in two pieces: the first may be all that is known, or less.
                at = cut if number % 2 else len(wire)
                connection.sendall(wire[:at])
                connection.sendall(wire[at:])
                assert answer(connection) == asked_alone(server, wire)


def known(server: Running) -> list[bool]:
    """Of each open connection, whether it knows what comes next."""
    opened = server.server.connections
    found: list[bool] = server.call(lambda: [
        each.expected is not None for each in opened._open if isinstance(each, HttpProtocol)
    ])  # fmt: skip
    return found


def test_what_came_twice_is_known(server: Running) -> None:
    with connect(server) as connection:
        for expected in (False, True, True):
            connection.sendall(KINDS["one row"](1))
            answer(connection)
            assert any(known(server)) == expected


def test_neither_answered_nor_refused_requests_leave_their_tensors(server: Running) -> None:
    """Idle connections would hold them: thousands of clients are refused at a time."""

    def expected() -> Any:
        opened = server.server.connections._open
        return next(e for each in opened if (e := getattr(each, "expected", None)) is not None)

    def refuse(_: object) -> None:
        raise ServeError(Kind.UNAVAILABLE, "Exceeds maximum queue size")

    with connect(server) as connection:
        for status in (200, 200, 200, 503, 503):
            if status == 503:
                server.call(lambda: setattr(expected(), "_submit", refuse))
            connection.sendall(KINDS["one row"](1))
            assert answer(connection)[0] == status
            if status == 503 or any(known(server)):
                assert server.call(lambda: expected()._infer.data) == ()


def protocols(server: Running) -> list[Any]:
    """What each open connection reads with."""
    opened = server.server.connections
    found: list[Any] = server.call(lambda: [
        each._transport.get_protocol() for each in opened._open
        if isinstance(each, HttpProtocol) and each._transport is not None
    ])  # fmt: skip
    return found


def test_a_large_request_that_is_known_holds_nothing_before_it_comes(server: Running) -> None:
    """Nor after it was answered: connections that wait may be thousands."""
    with connect(server) as connection:
        for number in range(4):
            connection.sendall(wide(25_000, number))
            assert answer(connection)[2].endswith(wide(25_000, number)[-100_000:])
        (placing,) = protocols(server)
        assert isinstance(placing, Placing)
        exchange = placing._connection
        assert placing.awaited is exchange.expected
        assert exchange.expected is not None
        assert (exchange._request, exchange._begun) == (None, None)
        assert exchange._reader.idle
        assert exchange.expected._infer.data == ()  # type: ignore[attr-defined]
        assert server.server.connections.budget.used_bytes == 0


def test_a_known_large_request_is_refused_where_nothing_is_left(server: Running) -> None:
    budget = server.server.connections.budget
    limit = budget.limit_bytes
    # Refused with its head, as it begins, and when too much of it has come.
    for left, columns in ((0, 25_000), (50_000, 25_000), (2_500_000, 1_000_000)):
        with connect(server) as connection:
            for number in range(3):
                connection.sendall(wide(columns, number))
                assert answer(connection)[0] == 200
            budget.limit_bytes = left
            try:
                sender = threading.Thread(target=_send, args=(connection, wide(columns, 1)))
                sender.start()
                status, _, body = answer(connection)
            finally:
                budget.limit_bytes = limit
            assert (status, b"may hold at a time" in body) == (503, True)
            opened = server.server.connections._open
            assert all(getattr(each, "_begun", None) is None for each in opened)
        sender.join()
        assert asked_alone(server, wide(columns, 1))[0] == 200
        assert budget.used_bytes == 0


def _send(connection: socket.socket, wire: bytes) -> None:
    with contextlib.suppress(OSError):  # refused, it may be closed before all is sent
        connection.sendall(wire)


@pytest.mark.parametrize("sent", [1, 150, 300, 50_000])
def test_half_of_a_known_large_request_and_no_more(server: Running, sent: int) -> None:
    with connect(server) as connection:
        for number in range(3):
            connection.sendall(wide(25_000, number))
            assert answer(connection)[0] == 200
        connection.sendall(wide(25_000, 4)[:sent])
        connection.shutdown(socket.SHUT_WR)
        status, _, body = answer(connection)
        assert (status, b"the connection ended within a request" in body) == (400, True)
        assert connection.recv(1) == b""


def test_large_requests_behind_one_another_and_others_among_them(server: Running) -> None:
    kinds = (
        ["large"] * 4
        + ["large with other JSON"]
        + ["large"] * 3
        + ["one row", "large", "raw", "large", "large", "another large one"]
    )
    wires = [KINDS[kind](number) for number, kind in enumerate(kinds)]
    expected = [asked_alone(server, wire)[2] for wire in wires]
    with connect(server) as connection:
        sender = threading.Thread(target=connection.sendall, args=(b"".join(wires),))
        sender.start()
        assert [answer_of(connection) for _ in wires] == expected
        sender.join()


def test_a_connection_that_was_refused_is_freed_with_what_it_has_sent(server: Running) -> None:
    """Not by the garbage collector: nobody counts what a connection that is lost still holds."""

    def refuse(_: object) -> None:
        raise ServeError(Kind.UNAVAILABLE, "Exceeds maximum queue size")

    gc.collect()
    gc.disable()
    try:
        with connect(server) as connection:
            for number in range(3):
                connection.sendall(wide(25_000, number))
                assert answer(connection)[0] == 200
            exchange: Any = weakref.ref(protocols(server)[0]._connection)
            server.call(lambda: setattr(exchange().expected, "_submit", refuse))
            connection.sendall(wide(25_000, 4))
            assert answer(connection)[0] == 503
            connection.sendall(wide(25_000, 4)[:50_000])
            until(lambda: exchange()._reader.space() is not None)
            body = weakref.ref(exchange()._reader._body.memory.obj)
        until(lambda: body() is None and exchange() is None, seconds=3)
    finally:
        gc.enable()


def test_several_requests_at_once_are_answered_in_order(server: Running) -> None:
    wires = [KINDS[kind](number) for number, kind in enumerate(
        ["one row", "one row", "one row", "two rows", "one row", "JSON", "one row"])]  # fmt: skip
    with connect(server) as connection:
        connection.sendall(b"".join(wires))
        received = [answer_of(connection) for _ in wires]
    assert received == [asked_alone(server, wire)[2] for wire in wires]


def answer_of(connection: socket.socket) -> bytes:
    """One answer's body, and nothing read of the next."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    length = int(head.lower().split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return body


@pytest.mark.parametrize("rows", [1, 2000])
def test_a_reload_is_seen_at_once(start: Callable[..., Running], tmp_path: Path, rows: int) -> None:
    """Of a large request that is known, only the tensors are read: its JSON is wanted again."""
    put(tmp_path, "changing", plus(1), CONFIG_16.replace("64", "4096"))
    server = start(tmp_path, control="explicit", load_models=("changing",))
    wire = request("changing", binary(["INPUT0"], rows, "FP32", 64 * rows), bytes(64 * rows))

    def control(verb: str) -> None:
        path = f"/v2/repository/models/changing/{verb}"
        text = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        assert asked_alone(server, text.encode())[0] == 200

    with connect(server) as connection:

        def ask() -> tuple[int, bytes]:
            connection.sendall(wire)
            status, _, body = answer(connection)
            return status, body[-64:]

        for _ in range(3):
            assert ask() == (200, np.ones(16, np.float32).tobytes())
        (tmp_path / "changing/1/model.onnx").write_bytes(plus(2))
        control("load")
        for _ in range(3):
            assert ask() == (200, np.full(16, 2, np.float32).tobytes())
        assert current(server) == [True]  # it was learned anew
        control("unload")
        assert ask()[0] >= 400
        control("load")
        assert ask() == (200, np.full(16, 2, np.float32).tobytes())


def current(server: Running) -> list[bool]:
    """Of each open connection that knows what comes next, whether that may be served at once."""
    opened = server.server.connections._open
    found: list[bool] = server.call(lambda: [
        each.expected.current for each in opened
        if isinstance(each, HttpProtocol) and each.expected is not None
    ])  # fmt: skip
    return found


@pytest.mark.parametrize("sent", [10, 358, 50_000])
def test_a_reload_amid_a_large_request(
    start: Callable[..., Running], tmp_path: Path, sent: int
) -> None:
    """It is answered by the version that is there when it is whole."""
    put(tmp_path, "changing", plus(1), CONFIG_16.replace("64", "4096"))
    server = start(tmp_path, control="explicit", load_models=("changing",))
    wire = request("changing", binary(["INPUT0"], 2000, "FP32", 128_000), bytes(128_000))
    with connect(server) as connection:
        for _ in range(3):
            connection.sendall(wire)
            assert answer(connection)[0] == 200
        connection.sendall(wire[:sent])
        (tmp_path / "changing/1/model.onnx").write_bytes(plus(2))
        load = "POST /v2/repository/models/changing/load HTTP/1.1\r\nHost: localhost\r\n"
        assert asked_alone(server, f"{load}Content-Length: 0\r\n\r\n".encode())[0] == 200
        connection.sendall(wire[sent:])
        status, _, body = answer(connection)
        assert (status, body[-64:]) == (200, np.full(16, 2, np.float32).tobytes())


def test_a_reload_while_large_json_is_read_loses_no_request(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    put(tmp_path, "changing", plus(1), CONFIG_16.replace("64", "1000000"))
    server = start(tmp_path, control="explicit", load_models=("changing",))
    rows = 200_000
    header = binary(["INPUT0"], rows, "FP32", 0)
    header["inputs"][0] = {"name": "INPUT0", "shape": [rows, 16], "datatype": "FP32", "data": []}  # type: ignore[index]  # JSON
    text = json.dumps(header).encode().replace(b"[]", b"[" + b"0," * (16 * rows - 1) + b"0]")
    head = (
        f"POST /v2/models/changing/infer HTTP/1.1\r\nHost: a\r\nContent-Length: {len(text)}\r\n\r\n"
    )
    with connect(server) as connection:
        connection.sendall(head.encode() + text)
        (tmp_path / "changing/1/model.onnx").write_bytes(plus(2))
        path = "/v2/repository/models/changing/load"
        load = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"
        assert asked_alone(server, load.encode())[0] == 200
        status, _, body = answer(connection)
    values = np.unique(np.frombuffer(body[-64 * rows :], np.float32)).tolist()
    assert (status, values in ([1.0], [2.0])) == (200, True)
