"""Clients that are gone when their answer comes: SIGPIPE, reused descriptors, freed requests.

Triton #8708, #8733, #8768 and core #469.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

import pytest

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import CONFIG_16, identity, put, slow
from tests.serve.sockets.wire import calls_to, connect, framed, goes_on, good_message, post

pytestmark = pytest.mark.usefixtures("no_traceback")


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16)
    put(repository, "slow", slow(500), CONFIG_16.replace("64", "4") + "dynamic_batching {}")
    return start(repository)


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


RAW = post(bytes(64), "slow", "Inference-Header-Content-Length: 0")


@pytest.mark.parametrize("end", [reset, socket.socket.close], ids=["rst", "fin"])
def test_gone_at_every_moment(server: Running, end: Callable[[socket.socket], None]) -> None:
    """After each part of a request, while it waits, while it runs, while others share its batch."""
    for cut in [*range(1, len(RAW), 17), *[len(RAW)] * 30]:
        connection = connect(server)
        connection.sendall(RAW[:cut])
        end(connection)
    until(lambda: len(server.server.connections) == 0)
    assert server.server.models.version("slow").runner.waiting == 0
    goes_on(server)


def test_gone_amid_many_pipelined_requests(server: Running) -> None:
    for count in range(1, 30):
        connection = connect(server)
        connection.sendall(RAW * count)
        reset(connection)
    until(lambda: len(server.server.connections) == 0)
    goes_on(server)


def test_gone_amid_grpc_calls(server: Running) -> None:
    request = good_message()
    request.model_name = "slow"
    body = framed(request.SerializeToString())
    for count in range(1, 20):
        with calls_to(server) as calls:
            for _ in range(count):
                calls.send(calls.begin(), body, end=bool(count % 3))
            if count % 2:
                reset(calls.socket)
    until(lambda: len(server.server.connections) == 0)
    assert server.server.models.version("slow").runner.waiting == 0
    goes_on(server)


def test_gone_amid_a_large_answer(server: Running) -> None:
    """Descriptors are used again at once: no bytes of one answer reach another connection."""
    large = bytes(64) * 64
    request = (
        b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[64,16],'
        b'"parameters":{"binary_data_size":4096}}],"outputs":[{"name":"OUTPUT0"}]}'
    )
    data = post(request + large, "identity", f"Inference-Header-Content-Length: {len(request)}")
    for _ in range(20):
        connection = connect(server)
        connection.sendall(data * 20)
        connection.recv(10)
        reset(connection)
        goes_on(server)
    until(lambda: len(server.server.connections) == 0)
