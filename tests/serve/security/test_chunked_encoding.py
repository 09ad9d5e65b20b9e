"""Chunked bodies that cost more than they bring (CVE-2025-23310, CVE-2025-23311)."""

from __future__ import annotations

import json

import pytest

from tests.serve.conftest import Running
from tests.serve.sockets.wire import exchange, goes_on, inputs, post

pytestmark = pytest.mark.usefixtures("no_traceback")
CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"1\r\na\r\n" * 70_000 + b"0\r\n\r\n", 400, "more than 65536 chunks"),
        (b"7fffffffffffffff\r\n", 400, "no chunk size"),
        (b"7ffffffffffffff\r\n", 413, "larger than"),
        (b"ffffffffffffffffffffffff\r\n", 400, "no chunk size"),
        (b"0x4\r\nabcd\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"+4\r\nabcd\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"4_0\r\nabcd\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"\r\nabcd\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"4\nabcd\r\n0\r\n\r\n", 400, ""),
        (b"4\r\nabcde\r\n0\r\n\r\n", 400, "does not end where"),
        (b"5;a\nb\r\nhello\r\n0\r\n\r\n", 400, "a line holds"),
        (b"5;a\rb\r\nhello\r\n0\r\n\r\n", 400, "a line holds"),
        (b" 5\r\nhello\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"5 \r\nhello\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"\t5;a\r\nhello\r\n0\r\n\r\n", 400, "no chunk size"),
        (b"0\r\nX: y\nGET / HTTP/1.1\r\n\r\n", 400, "a line holds"),
        (b"0\r\nGET / HTTP/1.1\r\n\r\n", 400, "no trailer"),
        (b"0\r\nX : y\r\n\r\n", 400, "no trailer"),
        (b"0\r\n X: y\r\n\r\n", 400, "no trailer"),
        (b"0\r\nX: \0\r\n\r\n", 400, "a line holds"),
        (b"4;" + b"x" * 5000, 400, "a line is longer than"),
        (b"4;" + b"x" * 5000 + b"\r\n", 400, "a line is longer than"),
        (b"0\r\n" + b"a: b\r\n" * 5000, 400, "trailers are larger than"),
        (b"0\r\n" + b"a" * 5000, 400, "a line is longer than"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies_without_end(served: Running, body: bytes, status: int, words: str) -> None:
    (answer,) = exchange(served, post(body, "identity", CHUNKED))
    assert (answer.status, words in answer.error) == (status, True)
    goes_on(served)


@pytest.mark.parametrize(
    "framing", [b"%x;a=b\r\n%b\r\n0\r\nX: y\r\n\r\n", b'%X ; a="b"\r\n%b\r\n0;c\r\nX:\r\n\r\n']
)
def test_extensions_and_trailers_of_a_good_body(served: Running, framing: bytes) -> None:
    body = json.dumps(inputs()).encode()
    (answer,) = exchange(served, post(framing % (len(body), body), "identity", CHUNKED))
    assert answer.status == 200


def test_what_follows_a_broken_chunk_is_no_request(served: Running) -> None:
    smuggled = b"4\r\nabcdGET /v2/health/live HTTP/1.1\r\n\r\n"
    (answer,) = exchange(served, post(smuggled, "identity", CHUNKED))
    assert answer.status == 400
