"""JSON that is small on its way, and millions of values once it is parsed.

64 MiB of `[],` in 286 KB of gzip held the loop for 13 seconds and took 2.4 GB.
"""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time

import numpy as np
import pytest

from tests.serve.conftest import Running
from tests.serve.security.test_unbounded_allocation import forget_peak, peak_bytes
from tests.serve.sockets.wire import HttpAnswer, answers, connect, exchange, goes_on, post, received

pytestmark = pytest.mark.usefixtures("no_traceback")
_BYTES = 48 << 20
AMID = 5  # answers beside a request, where the loop goes on while that is read
LIVE = b"GET /v2/health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"


def answered_beside(server: Running, wire: bytes) -> tuple[HttpAnswer, int]:
    """The answer to `wire`, and how often a client beside it was answered in the meantime.

    `wire` is packed, so that it is soon read: what is answered while the loop is held by it is one
    request from before and one from after.
    """
    count = 0
    over = threading.Event()

    def ask() -> None:
        nonlocal count
        with connect(server) as other:
            while not over.is_set():
                other.sendall(LIVE)
                assert other.recv(1000).startswith(b"HTTP/1.1 200")
                count += 1

    asking = threading.Thread(target=ask)
    asking.start()
    with connect(server) as connection:
        connection.sendall(wire)
        connection.shutdown(socket.SHUT_WR)
        (answer,) = answers(received(connection))
    beside = count
    over.set()
    asking.join()
    return answer, beside


@pytest.mark.parametrize(
    ("each", "model"),
    [(b"[],", "identity"), (b"{},", "identity"), (b"0,", "identity"), (b"[0],", "identity"),
     (b"[],", "any"), (b'"",', "text")],
    ids=repr,
)  # fmt: skip
def test_broad_json_becomes_no_objects(served: Running, model: str, each: bytes) -> None:
    count = _BYTES // len(each)
    shape = {"identity": [1, 16], "any": [count, 1], "text": [count]}[model]
    head = {"name": "INPUT0", "datatype": "BYTES" if model == "text" else "FP32", "shape": shape}
    data = b'"data":[' + each * (count - 1) + each[:-1] + b"]"
    text = b'{"inputs":[' + json.dumps(head).encode()[:-1] + b"," + data + b"}]}"
    packed = gzip.compress(text, 1)
    before = forget_peak()
    (answer,) = exchange(served, post(packed, model, "Content-Encoding: gzip"))
    assert answer.status == 400
    assert peak_bytes() - before < 4 * len(text)
    goes_on(served)


def test_numbers_as_many_as_the_shape_says_hold_up_nobody(served: Running) -> None:
    count = 4_000_000
    given = {"name": "INPUT0", "datatype": "FP32", "shape": [count, 1], "data": []}
    outputs = [{"name": "OUTPUT0", "parameters": {"binary_data": True}}]
    text = json.dumps({"inputs": [given], "outputs": outputs}).encode()
    text = text.replace(b"[]", b"[" + b"[0]," * (count - 1) + b"[0]]")
    packed = post(gzip.compress(text, 1), "any", "Content-Encoding: gzip")
    answer, beside = answered_beside(served, packed)
    assert (answer.status, beside >= AMID) == (200, True), (answer.body[:200], beside)
    assert len(answer.body) > 4 * count


@pytest.mark.parametrize("path", ["/v2/logging", "/v2/repository/index"])
def test_other_bodies_are_bounded_too(served: Running, path: str) -> None:
    body = b'{"a":[' + b"[]," * (20 << 20) + b"0]}"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    before = forget_peak()
    (answer,) = exchange(served, head + body)
    assert (answer.status, "more than" in answer.error) == (400, True)
    assert peak_bytes() - before < 4 * len(body)  # its lists were not made


def test_large_json_is_answered_as_small_is(served: Running) -> None:
    """Honest requests may be as large as `--http-max-input-size` allows."""
    values = np.random.default_rng(1).random((400, 1000), np.float32)
    given = {"name": "INPUT0", "datatype": "FP32", "shape": [400, 1000], "data": values.tolist()}
    (answer,) = exchange(served, post(json.dumps({"inputs": [given]}).encode(), "any"))
    (output,) = json.loads(answer.body)["outputs"]
    assert np.array_equal(np.array(output["data"], np.float32), values.ravel())
    strings = [f'{number} "[{{,' for number in range(50_000)]
    given = {"name": "INPUT0", "datatype": "BYTES", "shape": [50_000], "data": strings}
    (answer,) = exchange(served, post(json.dumps({"inputs": [given]}).encode(), "text"))
    assert json.loads(answer.body)["outputs"][0]["data"] == strings


def test_clients_that_leave_end_the_reading_of_their_json(served: Running) -> None:
    text = b'{"inputs":[{"name":"INPUT0","datatype":"FP32","shape":[10000000,1],"data":['
    text += b"0," * 9_999_999 + b"0]}]}"
    with connect(served) as connection:
        connection.sendall(post(text, "any"))
        while not served.call(lambda: served.server.connections.budget.used_bytes > 2 * len(text)):
            time.sleep(0.001)
    end = time.monotonic() + 20
    while served.call(lambda: served.server.connections.budget.used_bytes):
        assert time.monotonic() < end
        time.sleep(0.01)
    goes_on(served)
