"""One stream of bytes that two readers split into different requests.

Whoever sits before this server may read a head otherwise than it does. So a head that can be read
in two ways is refused, and the connection ends with it: what follows is never taken for a request.
Every such head is in `tests/serve/sockets/test_http_fuzz.py`; here are the classical pairs.
"""

from __future__ import annotations

import json

import pytest

from tests.serve.conftest import Running
from tests.serve.sockets.wire import exchange, inputs, post

pytestmark = pytest.mark.usefixtures("no_traceback")
HIDDEN = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        b"Content-Length: %d\r\nTransfer-Encoding: chunked",  # CL.TE
        b"Transfer-Encoding: chunked\r\nContent-Length: %d",  # TE.CL
        b"Content-Length: 0\r\nContent-Length: %d",
        b"Content-Length: %d\r\nTransfer-Encoding: xchunked",
        b"Content-Length: %d\r\nTransfer-Encoding : chunked",
        b"Content-Length: %d\r\nTransfer-Encoding\n : chunked",
        b"Content-Length: %d\r\nX: x\nTransfer-Encoding: chunked",
        b"Content-Length: %d\r\n Transfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\nX: %d",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\nX: %d",
    ],
    ids=repr,
)
def test_heads_that_can_be_read_in_two_ways(served: Running, lines: bytes) -> None:
    body = b"0\r\n\r\n" + HIDDEN
    head = b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: a\r\n" + lines % len(body)
    (answer,) = exchange(served, head + b"\r\n\r\n" + body)
    assert answer.status in (400, 501)
    assert answer.headers["connection"] == "close"


def test_bodies_of_any_method_are_bodies(served: Running) -> None:
    """A GET with a body has one: it must not become the next request."""
    head = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN)
    assert len(exchange(served, head + HIDDEN)) == 1
    chunked = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
    assert len(exchange(served, chunked + body)) == 1


def test_the_bytes_behind_a_request_are_the_next(served: Running) -> None:
    assert [answer.status for answer in exchange(served, HIDDEN * 3)] == [200, 200, 200]


def test_trailers_do_not_become_headers(served: Running) -> None:
    body = b"0\r\nContent-Length: 100\r\nInference-Header-Content-Length: 0\r\n\r\n"
    head = b"POST /v2/models/identity/infer HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    first, second = exchange(served, head + body + HIDDEN)
    assert (first.status, second.status) == (400, 200)


@pytest.mark.parametrize("offer", [
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk",
    "Connection: Upgrade\r\nUpgrade: websocket",
])  # fmt: skip
def test_offers_of_another_protocol_are_passed_over(served: Running, offer: str) -> None:
    """RFC 9110, section 7.8; as Java's client and `curl --http2` send. Bodies stay bodies."""
    good = json.dumps(inputs()).encode()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(good), good)
    wire = post(good, "identity", offer) + HIDDEN
    wire += post(chunked, "identity", offer, "Transfer-Encoding: chunked") + HIDDEN
    found = exchange(served, wire)
    assert [answer.status for answer in found] == [200] * 4
    assert [b"outputs" in answer.body for answer in found] == [True, False, True, False]
    (answer,) = exchange(
        served, b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n" + offer.encode() + b"\r\n\r\n"
    )
    assert (answer.status, answer.headers["connection"]) == (400, "close")
