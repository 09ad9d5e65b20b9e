"""A server in a process of its own against many clients: what it holds, and that it goes on."""

from __future__ import annotations

import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from h2.exceptions import StreamClosedError
from onnx import TensorProto, helper

from tests.serve.clients.served import Served
from tests.serve.models import CONFIG_16, identity, model, put
from tests.serve.sockets.wire import GrpcCalls, answers, framed, good_message, post, received
from tests.work import HANGS_S

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, sets limits")
MIB = 1 << 20
_INPUT = 16 * MIB
_HELD = 64 * MIB
# What answering costs beside what is held: parsing, copies of one request, the libraries' caches.
_BESIDE = 192 * MIB
_REPEATS = 65_536  # of 16 floats: answers of 4 MiB
GOOD = post(bytes(64), "identity", "Inference-Header-Content-Length: 0", "Connection: close")
LARGE = post(bytes(64), "large", "Inference-Header-Content-Length: 0")


def tiled() -> bytes:
    """OUTPUT0 = INPUT0, 65,536 times over: [1, 16] FP32 in, 4 MiB out."""
    node = helper.make_node("Tile", ["INPUT0", "repeats"], ["OUTPUT0"])
    return model(
        [node],
        {"INPUT0": (TensorProto.FLOAT, [1, 16])},
        {"OUTPUT0": (TensorProto.FLOAT, [1, 16 * _REPEATS])},
        {"repeats": np.array([1, _REPEATS], np.int64)},
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("process")
    repository = folder / "repository"
    put(repository, "identity", identity(), CONFIG_16)
    put(repository, "large", tiled())
    running = Served(
        repository, folder / "log", f"--http-max-input-size={_INPUT}", f"--max-held-bytes={_HELD}"
    )
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


def peak_bytes(served: Served) -> int:
    """The most memory that the process has had since `forget_peak`."""
    for line in Path(f"/proc/{served.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmHWM")


def forget_peak(served: Served) -> int:
    Path(f"/proc/{served.process.pid}/clear_refs").write_text("5")
    return peak_bytes(served)


def status(served: Served, request: bytes) -> int:
    with connect(served.http) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        (answer,) = answers(received(connection))
    return answer.status


def goes_on(served: Served) -> None:
    """What was held is free again: a good request, and one of the greatest size.

    Until it is, a connection may be refused: a server that has no descriptor left resets it.
    """
    end = time.monotonic() + HANGS_S
    large = post(bytes(_INPUT), "identity", "Inference-Header-Content-Length: 0")
    while True:
        found = []
        with suppress(ConnectionError):
            found = [status(served, request) for request in (GOOD, large)]
        if found == [200, 400]:  # such a tensor is not what the model takes, but it was read
            return
        assert time.monotonic() < end, found
        time.sleep(0.05)


HEALTH = b"GET /v2/health/ready HTTP/1.1\r\nHost: a\r\n\r\n"


def test_bodies_that_do_not_end(served: Served) -> None:
    """60 clients send 12 of 16 MiB each, 720 MiB in all: 64 are held, the others get 503."""
    before = forget_peak(served)
    head = post(b"", "identity", f"Content-Length: {_INPUT}")
    refused = 0
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(served.http)) for _ in range(60)]
        for client in clients:
            client.sendall(head)
            try:
                client.sendall(bytes(12 * MIB))
            except OSError:  # refused, and no longer read
                refused += 1
        assert status(served, HEALTH) == 200
        assert status(served, GOOD) in (200, 503)
        told = 0
        for client in clients:
            client.setblocking(False)
            try:
                told += client.recv(100).startswith(b"HTTP/1.1 503 ")
            except OSError:
                continue
        assert told >= 50
        assert peak_bytes(served) - before < _HELD + _BESIDE
    goes_on(served)


def test_chunks_that_do_not_end(served: Served) -> None:
    before = forget_peak(served)
    head = post(b"", "identity", "Transfer-Encoding: chunked")
    piece = b"100000\r\n" + bytes(MIB) + b"\r\n"
    with ExitStack() as stack:
        for _ in range(40):
            client = stack.enter_context(connect(served.http))
            try:
                client.sendall(head + piece * 12)
            except OSError:
                continue
        assert status(served, HEALTH) == 200
        assert peak_bytes(served) - before < _HELD + _BESIDE
    goes_on(served)


def test_messages_that_do_not_end(served: Served) -> None:
    """The same over gRPC, sixty streams of one connection: RESOURCE_EXHAUSTED."""
    before = forget_peak(served)
    begun = (12 * MIB).to_bytes(4, "big")
    with GrpcCalls(connect(served.grpc), windows=False) as calls:
        streams = []
        for _ in range(60):
            streams.append(calls.begin())
            with suppress(StreamClosedError):  # refused, and no longer read
                calls.send(streams[-1], b"\0" + begun + bytes(7 * MIB), end=False)
        calls.settle()
        refused = [stream for stream in streams if stream in calls.over]
        assert len(refused) >= 50
        assert {calls.answer(stream)[0] for stream in refused} == {8}
        assert "try again later" in calls.answer(refused[0])[1]
        assert peak_bytes(served) - before < _HELD + _BESIDE
    goes_on(served)


def test_answers_that_nobody_reads(served: Served) -> None:
    """Ten requests of each of 60 clients, each with an answer of 4 MiB: 2.4 GB if all were made."""
    before = forget_peak(served)
    with ExitStack() as stack:
        for _ in range(60):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(30)
            host, _, port = served.http.rpartition(":")
            client.connect((host, int(port)))
            stack.enter_context(client)
            client.sendall(LARGE * 10)
        deadline = time.monotonic() + 20
        while status(served, GOOD) != 503:
            assert time.monotonic() < deadline
        assert status(served, HEALTH) == 200
        assert peak_bytes(served) - before < _HELD + _BESIDE
    goes_on(served)


def test_answers_that_windows_do_not_let_through(served: Served) -> None:
    before = forget_peak(served)
    request = good_message()
    request.model_name = "large"
    body = framed(request.SerializeToString())
    with GrpcCalls(connect(served.grpc), windows=False) as calls:
        for _ in range(300):
            calls.send(calls.begin(), body)
        while len(calls.over) < 250:  # those that may wait are a few more than fit
            calls.settle()
        assert {calls.answer(stream)[0] for stream in calls.over} == {8}
        assert peak_bytes(served) - before < _HELD + _BESIDE
    goes_on(served)


def test_five_thousand_idle_connections(served: Served) -> None:
    wanted = 5000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted + 500:
        pytest.skip(f"this process may open {hard} files, {wanted} connections need more")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted + 500), hard))
    try:
        before = forget_peak(served)
        with ExitStack() as stack:
            for number in range(wanted):
                address = served.grpc if number % 2 else served.http
                stack.enter_context(connect(address))
            assert [status(served, GOOD) for _ in range(20)] == [200] * 20
            with GrpcCalls(connect(served.grpc), windows=False) as calls:
                stream = calls.begin()
                calls.send(stream, framed(good_message().SerializeToString()))
                assert calls.answer(stream)[0] == 0
            assert (peak_bytes(served) - before) / wanted < 32 * 1024  # bytes a connection
        goes_on(served)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu_seconds(served: Served) -> float:
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_no_more_open_files(served: Served) -> None:
    """EMFILE neither ends the server nor makes it spin."""
    pid = served.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    now = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (now + 20, before[1]))
    try:
        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(connect(served.http))
            used = cpu_seconds(served)
            time.sleep(1)
            assert cpu_seconds(served) - used < 0.5
        goes_on(served)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    goes_on(served)
