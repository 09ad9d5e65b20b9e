"""What breaks HTTP/2 or its limits ends the stream or the connection, whatever the bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.headers import literal
from trtserve.protocols.http2 import Http2Connection

from tests.serve.protocols.echo import (
    BLOCK,
    Echo,
    goaway_code,
    raw,
)

OPEN = frames.frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK)
DONE = frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, 1, BLOCK)
WINDOW = struct.pack(">I", 2**31 - 1)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ([frames.frame(frames.DATA, 0, 1, b"x")], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.DATA, 0, 0, b"x")], frames.PROTOCOL_ERROR),
        ([DONE, frames.frame(frames.DATA, 0, 1, b"x")], frames.STREAM_CLOSED),
        ([frames.frame(frames.HEADERS, 4, 0, BLOCK)], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.HEADERS, 4, 2, BLOCK)], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.HEADERS, 4, 3, BLOCK), OPEN], frames.STREAM_CLOSED),
        ([DONE, OPEN], frames.STREAM_CLOSED),
        ([frames.frame(frames.HEADERS, 4, 1, b"\xff\xff\xff")], frames.COMPRESSION_ERROR),
        ([frames.frame(frames.HEADERS, 4, 1, b"\xc0")], frames.COMPRESSION_ERROR),
        ([frames.frame(frames.HEADERS, 0, 1, BLOCK), OPEN], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.HEADERS, 0, 1, BLOCK), frames.frame(frames.DATA, 0, 1)],
         frames.PROTOCOL_ERROR),
        ([frames.frame(frames.CONTINUATION, 4, 1, BLOCK)], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.HEADERS, 0x0C, 1, b"\x09" + BLOCK)], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.HEADERS, 0x24, 1, struct.pack(">IB", 1, 0) + BLOCK)],
         frames.PROTOCOL_ERROR),
        ([frames.frame(frames.PRIORITY, 0, 1, b"1234")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.PRIORITY, 0, 0, b"12345")], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.RST_STREAM, 0, 1, b"1234")], frames.PROTOCOL_ERROR),
        ([OPEN, frames.frame(frames.RST_STREAM, 0, 1, b"123")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.SETTINGS, 0, 1)], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.SETTINGS, 0, 0, b"12345")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.SETTINGS, 1, 0, b"123456")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 2, 2))], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31))],
         frames.FLOW_CONTROL_ERROR),
        ([frames.frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 5, 1))], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + BLOCK)], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.PING, 0, 1, b"12345678")], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.PING, 0, 0, b"1234567")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.GOAWAY, 0, 0, b"1234567")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\0\0")], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.WINDOW_UPDATE, 0, 0, b"\0\0\0")], frames.FRAME_SIZE_ERROR),
        ([frames.frame(frames.WINDOW_UPDATE, 0, 5, b"\0\0\0\1")], frames.PROTOCOL_ERROR),
        ([frames.frame(frames.WINDOW_UPDATE, 0, 0, WINDOW)], frames.FLOW_CONTROL_ERROR),
        ([OPEN, frames.frame(frames.DATA, frames.PADDED, 1, b"\x05abc")], frames.PROTOCOL_ERROR),
        ([OPEN, frames.frame(frames.DATA, frames.PADDED, 1)], frames.FRAME_SIZE_ERROR),
        ([frames.frame_head(1 << 22, frames.DATA, 0, 1)], frames.FRAME_SIZE_ERROR),
        ([frames.frame_head(1 << 20, frames.HEADERS, 4, 1)], frames.FRAME_SIZE_ERROR),
    ],
)  # fmt: skip
def test_what_breaks_the_protocol_ends_the_connection(sent: list[bytes], code: int) -> None:
    server, found = raw(*sent)
    assert found == code
    assert server.closing
    torn, found = raw(*(bytes([byte]) for byte in b"".join(sent)))
    assert found == code
    assert torn.closing


def test_the_preface_and_the_first_frame() -> None:
    server = Http2Connection(Echo())
    server.receive(b"GET / HTTP/1.1\r\n", 0)
    assert goaway_code(server) == frames.PROTOCOL_ERROR
    server = Http2Connection(Echo())
    server.receive(frames.PREFACE + frames.frame(frames.PING, 0, 0, b"12345678"), 0)
    assert goaway_code(server) == frames.PROTOCOL_ERROR


@pytest.mark.parametrize(
    "block",
    [
        b"\x83\x86\x01\x01a",  # no path
        BLOCK + b"\x84",  # path twice
        BLOCK + literal(b"Upper", b"x"),
        BLOCK + literal(b"connection", b"close"),
        BLOCK + literal(b"te", b"gzip"),
        BLOCK + literal(b"a", b"b") + literal(b":authority", b"late"),
        BLOCK + literal(b":unknown", b"x"),
    ],
)
def test_malformed_requests_reset_their_stream_only(block: bytes) -> None:
    server, code = raw(frames.frame(frames.HEADERS, 5, 1, block))
    assert code is None
    reset = frames.frame(frames.RST_STREAM, 0, 1, struct.pack(">I", frames.PROTOCOL_ERROR))
    assert reset in [bytes(each) for each in server.out]
    assert not server.streams


@contextmanager
def calm(server: Http2Connection) -> Iterator[None]:
    yield
    assert goaway_code(server) == frames.ENHANCE_YOUR_CALM
    assert sum(len(bytes(each)) for each in server.out) < 2_000_000


def flood(each: bytes, count: int) -> Http2Connection:
    server = Http2Connection(Echo())
    server.receive(frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0), 0)
    for start in range(0, count, 100):
        server.receive(each * min(100, count - start), 0.0)
    return server


@pytest.mark.parametrize(
    "each",
    [
        frames.frame(frames.PING, 0, 0, b"12345678"),
        frames.frame(frames.SETTINGS, 0, 0),
        frames.frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, 1000) * 100),
        frames.frame(frames.PRIORITY, 0, 1, b"12345"),
        frames.frame(0x77, 0, 0, b"unknown"),
        frames.frame(frames.GOAWAY, 0, 0, b"12345678"),
    ],
)
def test_floods_of_frames_that_lead_nowhere_end(each: bytes) -> None:
    with calm(server := flood(each, 20_000)):
        assert server.closing


def test_pings_at_a_human_pace_are_fine() -> None:
    server = Http2Connection(Echo())
    server.receive(frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0), 0)
    for second in range(10_000):
        server.receive(frames.frame(frames.PING, 0, 0, b"12345678"), float(second))
        server.out.clear()
    assert not server.closing


def test_rapid_reset_ends() -> None:
    """CVE-2023-44487: open and reset, without end."""
    server = Http2Connection(Echo())
    server.receive(frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0), 0)
    for stream in range(1, 20_000, 2):
        server.receive(
            frames.frame(frames.HEADERS, 4, stream, BLOCK)
            + frames.frame(frames.RST_STREAM, 0, stream, b"\0\0\0\x08"),
            0.0,
        )
    with calm(server):
        assert server.closing


def test_a_header_block_without_end_ends() -> None:
    """CVE-2024-27316: CONTINUATION frames that never say END_HEADERS."""
    first = frames.frame(frames.HEADERS, 0, 1, b"")
    server, code = raw(first, *[frames.frame(frames.CONTINUATION, 0, 1, b"")] * 100)
    assert code == frames.ENHANCE_YOUR_CALM
    server, code = raw(first, *[frames.frame(frames.CONTINUATION, 0, 1, b"\0" * 16000)] * 5)
    assert code == frames.ENHANCE_YOUR_CALM
    assert server.closing


def test_an_hpack_bomb_ends() -> None:
    """One entry of 3 KB in the table, named a thousand times."""
    entry = b"\x40\x01a\x7f" + bytes([0x80 | (3000 - 127) & 0x7F, (3000 - 127) >> 7]) + b"b" * 3000
    block = BLOCK + entry + b"\xbe" * 1000
    _, code = raw(frames.frame(frames.HEADERS, 4, 1, block))
    assert code == frames.ENHANCE_YOUR_CALM


def test_empty_data_without_end_ends() -> None:
    server, _ = raw(OPEN)
    for _ in range(200):
        server.receive(frames.frame(frames.DATA, 0, 1) * 100, 0.0)
    with calm(server):
        assert server.closing


def test_more_streams_than_allowed_are_refused() -> None:
    server, _ = raw()
    for stream in range(1, 2 * frames.MAX_STREAMS + 3, 2):
        server.receive(frames.frame(frames.HEADERS, 4, stream, BLOCK), 0.0)
    assert len(server.streams) == frames.MAX_STREAMS
    refused = struct.pack(">I", frames.REFUSED_STREAM)
    assert bytes(server.out[-1]).endswith(refused)
    assert not server.closing


def test_more_data_than_the_window_ends_the_connection() -> None:
    server, _ = raw(OPEN)
    piece = frames.frame(frames.DATA, 0, 1, b"x" * (1 << 20))
    for _ in range(40):
        server.receive(piece, 0.0)  # refilled as it goes: a client that obeys is never stopped
    assert not server.closing
    server._receive_window = 10
    server.receive(piece, 0.0)
    assert goaway_code(server) == frames.FLOW_CONTROL_ERROR


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_end_in_answers_or_a_goaway(data: bytes) -> None:
    server, _ = raw(data, data)
    assert server.closing or goaway_code(server) is None


@settings(deadline=None)
@given(st.data())
def test_any_frames_on_any_stream(data: st.DataObject) -> None:
    server, _ = raw()
    for _ in range(data.draw(st.integers(1, 12))):
        kind = data.draw(st.integers(0, 10))
        flags = data.draw(st.sampled_from([0, 1, 4, 5, 8, 0x20, 0x2D]))
        stream = data.draw(st.integers(0, 7))
        payload = data.draw(
            st.sampled_from([b"", BLOCK, b"1234", b"12345678", b"\0\0\0\1", b"\1" + BLOCK])
        )
        server.receive(frames.frame(kind, flags, stream, payload), 0.0)
    assert server.closing == (goaway_code(server) is not None)
