"""The HTTP/2 connection, with the `h2` library as the judge of what goes over the wire."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.headers import literal, status
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_stream import Stream

REQUEST = [(":method", "POST"), (":scheme", "http"), (":path", "/x"), (":authority", "a")]
HEADERS = status(200) + literal(b"content-type", b"text/plain")
TRAILERS = literal(b"grpc-status", b"0")


class Echo:
    """Answers each request with its body when it is whole."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def stream_opened(self, stream: Stream, headers: Any) -> Call:
        self.calls.append(Call(stream, headers))
        return self.calls[-1]


class Call:
    def __init__(self, stream: Stream, headers: Any) -> None:
        self.stream, self.headers = stream, headers
        self.body = b""
        self.ended = self.was_reset = False
        self.unfinished = True

    def data(self, data: memoryview) -> None:
        self.body += data

    def end(self) -> None:
        self.ended = True
        self.stream.respond(HEADERS, [self.body], TRAILERS)

    def reset(self) -> None:
        self.was_reset = True


class Pair:
    """A client by the h2 library and our server, bytes carried between them."""

    def __init__(self, piece: int = 1 << 20) -> None:
        self.client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.client.initiate_connection()
        self.echo = Echo()
        self.server = Http2Connection(self.echo)
        self.events: list[Any] = []
        self.piece = piece
        self.now = 0.0
        self.carry()

    def carry(self) -> None:
        while True:
            data = self.client.data_to_send()
            for start in range(0, len(data), self.piece):
                self.server.receive(data[start : start + self.piece], self.now)
            out, self.server.out = self.server.out, []
            if not data and not out:
                return
            self.events += self.client.receive_data(b"".join(map(bytes, out)))

    def request(self, body: bytes = b"hello", stream: int | None = None) -> int:
        stream = stream or self.client.get_next_available_stream_id()
        self.client.send_headers(stream, REQUEST)
        while body:
            self.carry()
            size = min(
                self.client.local_flow_control_window(stream), len(body),
                self.client.max_outbound_frame_size,
            )  # fmt: skip
            self.client.send_data(stream, body[:size])
            body = body[size:]
        self.client.end_stream(stream)
        self.carry()
        return stream

    def received(self, stream: int) -> bytes:
        return b"".join(
            event.data for event in self.events
            if isinstance(event, h2.events.DataReceived) and event.stream_id == stream
        )  # fmt: skip

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def raw(*sent: bytes, now: float = 0.0) -> tuple[Http2Connection, int | None]:
    """A server that got `sent` behind preface and settings, and the GOAWAY code it answered."""
    server = Http2Connection(Echo())
    server.receive(frames.PREFACE + frames.frame(frames.SETTINGS, 0, 0), now)
    for piece in sent:
        server.receive(piece, now)
    return server, goaway_code(server)


def goaway_code(server: Http2Connection) -> int | None:
    data = b"".join(map(bytes, server.out))
    while data:
        length = int.from_bytes(data[:3], "big")
        if data[3] == frames.GOAWAY:
            return int(struct.unpack(">I", data[13:17])[0])
        data = data[9 + length :]
    return None


@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_requests_are_answered_however_they_are_torn(piece: int) -> None:
    pair = Pair(piece)
    for body in (b"hello", b"x" * 20_000, b"y"):
        stream = pair.request(body)
        assert pair.received(stream) == body
    trailers = pair.of(h2.events.TrailersReceived)
    assert [(bytes(n), bytes(v)) for n, v in trailers[0].headers] == [(b"grpc-status", b"0")]
    assert len(pair.of(h2.events.StreamEnded)) == 3
    assert not pair.server.streams
    assert pair.echo.calls[0].headers[b":path"] == b"/x"


def test_large_bodies_go_through_small_windows() -> None:
    pair = Pair()
    body = bytes(range(256)) * 5000  # more than the client's window of 65,535
    pair.client.send_headers(1, REQUEST)
    pair.client.send_data(1, b"", end_stream=False)
    pair.carry()
    stream = 1
    left = body
    while left:
        pair.carry()
        size = min(pair.client.local_flow_control_window(1), len(left), 1 << 14)
        pair.client.send_data(1, left[:size])
        left = left[size:]
    pair.client.end_stream(1)
    pair.carry()
    while len(pair.received(stream)) < len(body):
        before = len(pair.received(stream))
        pair.client.increment_flow_control_window(30_000)
        pair.client.increment_flow_control_window(30_000, stream)
        pair.carry()
        assert len(pair.received(stream)) > before
    assert pair.received(stream) == body
    assert pair.of(h2.events.StreamEnded)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 70_000)), max_size=12))
def test_any_interleaving_of_streams(steps: list[tuple[int, int]]) -> None:
    pair = Pair()
    streams = [1, 3, 5, 7]
    sent = dict.fromkeys(streams, b"")
    for stream in streams:
        pair.client.send_headers(stream, REQUEST)
    pair.carry()
    for index, size in steps:
        stream = streams[index]
        for start in range(0, size, 1 << 14):
            part = bytes([stream]) * min(size - start, 1 << 14)
            pair.client.send_data(stream, part)
            sent[stream] += part
        pair.carry()
    for stream in streams:
        pair.client.end_stream(stream)
    pair.carry()
    for _ in range(40):
        pair.client.increment_flow_control_window(200_000)
        for stream in streams:
            if stream in pair.client.streams and not pair.client.streams[stream].closed:
                pair.client.increment_flow_control_window(200_000, stream)
        pair.carry()
        if all(len(pair.received(stream)) == len(sent[stream]) for stream in streams):
            break
    assert {stream: pair.received(stream) for stream in streams} == sent


def test_settings_change_the_windows_of_open_streams() -> None:
    pair = Pair()
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 10})
    pair.carry()
    stream = pair.request(b"a" * 100)
    assert pair.received(stream) == b"a" * 10
    pair.client.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    pair.carry()
    assert pair.received(stream) == b"a" * 100


def test_a_reset_reaches_the_receiver_and_frees_the_stream() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.carry()
    pair.client.reset_stream(1)
    pair.carry()
    assert pair.echo.calls[0].was_reset
    assert not pair.server.streams


def test_an_early_answer_tells_the_client_to_stop() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.carry()
    pair.echo.calls[0].stream.send_headers(HEADERS, end=True)
    pair.carry()
    assert pair.of(h2.events.StreamReset)[0].error_code == frames.NO_ERROR


def test_drain_answers_what_is_open_and_then_closes() -> None:
    pair = Pair()
    pair.client.send_headers(1, REQUEST)
    pair.carry()
    pair.server.drain()
    closing_early = pair.server.closing
    pair.client.end_stream(1)
    pair.server.receive(pair.client.data_to_send(), 0)
    assert (closing_early, pair.server.closing) == (False, True)
    assert goaway_code(pair.server) == frames.NO_ERROR


BLOCK = b"\x83\x86\x84"  # POST, http, /
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
        b"\x83\x86",  # no path
        b"\x83\x86\x84\x84",  # path twice
        b"\x83\x86\x84" + literal(b"Upper", b"x"),
        b"\x83\x86\x84" + literal(b"connection", b"close"),
        b"\x83\x86\x84" + literal(b"te", b"gzip"),
        b"\x83\x86\x84" + literal(b"a", b"b") + literal(b":authority", b"late"),
        b"\x83\x86\x84" + literal(b":unknown", b"x"),
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


@given(st.binary(max_size=400))
def test_any_bytes_end_in_answers_or_a_goaway(data: bytes) -> None:
    server, _ = raw(data, data)
    assert server.closing or goaway_code(server) is None


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
