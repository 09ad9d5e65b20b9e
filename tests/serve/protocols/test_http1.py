"""Bytes to HTTP requests: whole, byte by byte, pipelined, and broken in every way."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.protocols.http1 import (
    HttpRequest,
    RequestReader,
    infer_head,
    response_head,
)
from trtserve.protocols.http1_head import MAX_HEAD_BYTES, HttpError

GET = b"GET /v2/health/live HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;name=value\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: 1\r\n\r\n"
)


def requests(*pieces: bytes, limit: int = 1000) -> list[HttpRequest]:
    reader = RequestReader(limit)
    found = []
    for given_piece in pieces:
        piece = given_piece
        space = reader.space()
        if space is not None:
            taken = min(len(space), len(piece))
            space[:taken] = piece[:taken]
            reader.filled(taken)
            piece = piece[taken:]
            while (request := reader.next_request()) is not None:
                found.append(request)
            if not piece:
                continue
        reader.receive(piece)
        while (request := reader.next_request()) is not None:
            found.append(request)
    return found


@pytest.mark.parametrize("message", [GET, POST, CHUNKED], ids=["get", "post", "chunked"])
def test_a_request_whole_byte_by_byte_and_with_another_behind_it(message: bytes) -> None:
    (whole,) = requests(message)
    by_byte = requests(*(message[i : i + 1] for i in range(len(message))))
    assert [(r.head, bytes(r.body)) for r in by_byte] == [(whole.head, bytes(whole.body))]
    pair = requests(message + POST)
    assert [bytes(each.body) for each in pair] == [bytes(whole.body), b"hello"]


@settings(deadline=None)
@given(st.lists(st.integers(1, 40), max_size=20))
def test_any_cut_gives_the_same_requests(cuts: list[int]) -> None:
    data = POST + CHUNKED + GET
    pieces, start = [], 0
    for size in cuts:
        pieces.append(data[start : start + size])
        start += size
    pieces.append(data[start:])
    found = requests(*filter(None, pieces))
    assert [bytes(each.body) for each in found] == [b"hello", b"hello", b""]


def test_a_large_body_is_read_straight_into_its_place() -> None:
    body = bytes(range(256)) * 1024
    head = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
    reader = RequestReader(1 << 20)
    reader.receive(head + body[:100])
    assert reader.next_request() is None
    space = reader.space()
    assert space is not None
    assert len(space) == len(body) - 100
    space[:] = body[100:]
    reader.filled(len(space))
    request = reader.next_request()
    assert request is not None
    assert bytes(request.body) == body
    assert reader.idle


def test_what_a_head_says() -> None:
    (request,) = requests(
        b"POST /v2/models/a%20b/infer?x=1 HTTP/1.1\r\nHOST: a\r\nContent-Length: 2\r\n"
        b"Inference-Header-Content-Length: 1\r\nAccept-Encoding: gzip\r\n\r\n{}"
    )
    head = request.head
    assert (head.method, head.path, head.query) == ("POST", "/v2/models/a%20b/infer", "x=1")
    assert head.infer_header_length == 1
    assert head.headers["accept-encoding"] == "gzip"
    assert head.keep_alive
    (old,) = requests(b"GET / HTTP/1.0\r\n\r\n")
    assert not old.head.keep_alive
    (closing,) = requests(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert not closing.head.keep_alive


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nName : space\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n", 413),
        (b"POST / HTTP/1.1\r\nInference-Header-Content-Length: x\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", 431),
        (b"GET /" + b"a" * (MAX_HEAD_BYTES + 1), 431),
    ],
)
def test_broken_requests_are_refused(data: bytes, status: int) -> None:
    with pytest.raises(HttpError) as caught:
        requests(data)
    assert caught.value.status == status


def test_a_flood_of_tiny_chunks_ends() -> None:
    """CVE-2025-23310: unbounded work a chunk."""
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with pytest.raises(HttpError, match="more than 65536 chunks"):
        requests(head, b"1\r\na\r\n" * 70_000, limit=1 << 20)


def test_expect_continue() -> None:
    reader = RequestReader(100)
    reader.receive(POST.replace(b"hello", b"").replace(b"Host", b"Expect: 100-continue\r\nHost"))
    assert reader.next_request() is None
    assert reader.continue_wanted


def test_response_heads() -> None:
    head = response_head(404, [("Content-Type", "application/json")], 7, keep_alive=False)
    assert head == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nConnection: close\r\n"
        b"Content-Length: 7\r\n\r\n"
    )
    assert b"Inference-Header-Content-Length: 4\r\nContent-Length: 10\r\n" in infer_head(4, 10)
