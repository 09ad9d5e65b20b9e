"""Messages of calls are whole and their own, however they were framed, torn and read."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hpack import Encoder
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.protocols.grpc import GrpcApplication, GrpcCall, Method
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PREFACE,
    SETTINGS,
    frame,
)

BLOCK = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/take"), (b":authority", b"a"),
         (b"content-type", b"application/grpc"), (b"te", b"trailers")]  # fmt: skip
SIZES = st.sampled_from([0, 1, 100, 16_000, 40_000, 100_000, 400_000])


def stream_of(messages: list[bytes], pieces: random.Random) -> bytes:
    """One call for each message, their DATA frames interleaved, some with padding."""
    encoder = Encoder()
    out = [PREFACE, frame(SETTINGS, 0, 0)]
    left = {}
    for index, each in enumerate(messages):
        stream = 2 * index + 1
        out.append(frame(HEADERS, END_HEADERS, stream, encoder.encode(BLOCK)))
        left[stream] = b"\0" + len(each).to_bytes(4, "big") + each
    while left:
        stream = pieces.choice(sorted(left))
        size = pieces.choice((3, 5, 5000, 16_384, 300_000, 1 << 20))
        part, rest = left[stream][:size], left[stream][size:]
        flags = 0 if rest else END_STREAM
        if pieces.random() < 0.3 and len(part) + 8 < 1 << 20:
            part, flags = b"\x07" + part + bytes(7), flags | PADDED
        out.append(frame(DATA, flags, stream, part))
        left = {key: value for key, value in left.items() if key != stream}
        if rest:
            left[stream] = rest
    return b"".join(out)


class Taking:
    """A server that keeps each call's message as it was given."""

    def __init__(self) -> None:
        self.kept: list[memoryview] = []
        application = GrpcApplication({b"/take": Method(self._take)}, 1 << 20)
        self.connection = Http2Connection(application)

    def _take(self, call: GrpcCall, data: memoryview) -> None:
        self.kept.append(data)
        call.reply([len(data).to_bytes(4, "big")])


def read_like_a_socket(server: Taking, wire: bytes, sizes: random.Random) -> int:
    """Deliver in reads of any size, into the server's own memory where it has some for them."""
    scratch = bytearray(1 << 18)
    connection, at, direct = server.connection, 0, 0
    while at < len(wire):
        space = connection.space()
        room = memoryview(scratch) if space is None else space
        count = min(len(room), len(wire) - at, sizes.choice((1, 9, 700, 70_000, 1 << 18)))
        room[:count] = wire[at : at + count]
        at += count
        if space is not None:
            connection.filled(count, 0.0)
            direct += count
        elif sizes.random() < 0.5:
            connection.receive(bytes(scratch[:count]), 0.0)
        else:
            connection.receive(memoryview(scratch)[:count], 0.0)
        scratch[:] = b"\xee" * len(scratch)  # what is read next comes to the same memory
    return direct


@settings(max_examples=60, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=5), st.integers(0, 1 << 30))
def test_every_message_arrives_as_it_was_sent(sizes: list[int], seed: int) -> None:
    chance = random.Random(seed)
    messages = [chance.randbytes(size) for size in sizes]
    server = Taking()
    read_like_a_socket(server, stream_of(messages, chance), chance)
    assert not server.connection.failed
    assert sorted(map(bytes, server.kept)) == sorted(messages)
    assert not server.connection.streams  # all were answered


class Whole(random.Random):
    """The largest of every choice: whole frames, whole reads."""

    def choice(self, seq: Any) -> Any:
        return max(seq)

    def random(self) -> float:
        return 1.0


def test_what_is_large_is_read_to_where_it_stays() -> None:
    server = Taking()
    wire = stream_of([bytes(1_000_000)], Whole())
    direct = read_like_a_socket(server, wire, Whole())
    assert direct > 700_000  # all but the first read
    (message,) = server.kept
    assert bytes(message) == bytes(1_000_000)


@pytest.mark.parametrize("cut", [40_000, 500_000])
def test_a_message_that_is_larger_than_promised_ends_its_call(cut: int) -> None:
    """The frame is longer than the message that it holds."""
    server = Taking()
    start = frame(HEADERS, END_HEADERS, 1, Encoder().encode(BLOCK))
    body = b"\0" + cut.to_bytes(4, "big") + bytes(600_000)
    wire = PREFACE + frame(SETTINGS, 0, 0) + start + frame(DATA, END_STREAM, 1, body)
    read_like_a_socket(server, wire, Whole())
    assert not server.connection.failed
    assert not server.kept  # a unary call takes one message
    assert not server.connection.streams
