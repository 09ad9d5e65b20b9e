"""What a call that is over, or waits, keeps in memory: nothing is left to the garbage collector.

Nobody counts what such a call holds any more, and each may hold a message of 64 MB.
"""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
from hpack import Decoder, Encoder
from trtserve.errors import Kind, ServeError
from trtserve.protocols.budget import Budget
from trtserve.protocols.grpc import GrpcApplication, GrpcCall, Method, StreamHandler
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    RST_STREAM,
    SETTINGS,
    frame,
)
from trtserve.protocols.own import own
from trtserve.sockets.connections import Connections
from trtserve.sockets.http2 import GrpcProtocol

BLOCK = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/call"), (b":authority", b"a"),
         (b"content-type", b"application/grpc"), (b"te", b"trailers")]  # fmt: skip
OPENED = PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, Encoder().encode(BLOCK))
LARGE = b"\0" + (1 << 20).to_bytes(4, "big") + bytes(100_000)  # a tenth of a message


@pytest.fixture(autouse=True)
def _uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class Handler(StreamHandler):
    """Notes that it was let go; breaks off when it is asked for that."""

    def __init__(self, call: GrpcCall) -> None:
        self.call = call
        self.resets = 0

    def message(self, data: memoryview) -> None:
        if bytes(data) == b"start":
            self.call.start()
            self.call.send(bytes(100_000))  # more than the peer's window
        else:
            self.call.fail(ServeError(Kind.INVALID_ARG, "no"))

    def end(self) -> None:
        self.call.finish()

    def reset(self) -> None:
        self.resets += 1


def streaming() -> tuple[Http2Connection, list[Handler]]:
    made: list[Handler] = []

    def make(call: GrpcCall) -> Handler:
        made.append(Handler(call))
        return made[-1]

    return Http2Connection(GrpcApplication({b"/call": Method(stream=make)}, 1 << 22)), made


def unary(answer: Callable[[GrpcCall, memoryview], None], budget: Budget | None = None) -> Any:
    application = GrpcApplication({b"/call": Method(answer)}, 1 << 22, budget)
    return Http2Connection(application)


def message(data: bytes) -> bytes:
    return b"\0" + len(data).to_bytes(4, "big") + data


@pytest.mark.parametrize(
    "sent",
    [
        frame(DATA, 0, 1, b"\x07\0\0\0\0"),  # a flag that there is not
        frame(DATA, END_STREAM, 1, b"\0\0"),  # ends within a prefix
        frame(DATA, 0, 1, b"\0\xff\xff\xff\xff"),  # too large
        frame(DATA, 0, 1, message(b"break off")),
        frame(DATA, END_STREAM, 1, b""),
        frame(RST_STREAM, 0, 1, bytes(4)),
    ],
)
def test_a_streaming_call_that_is_over_is_let_go(sent: bytes) -> None:
    connection, made = streaming()
    connection.receive(OPENED, 0.0)
    (handler,) = made
    connection.receive(sent, 0.0)
    assert handler.resets >= 1
    call, handler_ref = weakref.ref(made[0]), weakref.ref(handler)
    del handler
    made.clear()
    assert (call(), handler_ref()) == (None, None)


def test_an_error_behind_answers_waits_for_them() -> None:
    connection, _ = streaming()
    connection.receive(OPENED, 0.0)
    connection.receive(frame(DATA, 0, 1, message(b"start")), 0.0)
    connection.receive(frame(DATA, 0, 1, message(b"break off")), 0.0)
    assert connection.unsent_bytes > 0
    connection.receive(frame(8, 0, 0, (1 << 20).to_bytes(4, "big")), 0.0)  # WINDOW_UPDATE
    connection.receive(frame(8, 0, 1, (1 << 20).to_bytes(4, "big")), 0.0)
    assert connection.unsent_bytes == 0
    wire, decoder, blocks, data = b"".join(connection.out), Decoder(), [], 0
    while wire:
        length, kind = int.from_bytes(wire[:3], "big"), wire[3]
        if kind == HEADERS:
            blocks.append(dict(decoder.decode(wire[9 : 9 + length], raw=True)))
        data += length if kind == DATA else 0
        wire = wire[9 + length :]
    first, last = blocks
    assert data == 100_005
    assert (b":status" in first, b"grpc-status" in first) == (True, False)
    assert (b":status" in last, last[b"grpc-status"]) == (False, b"3")


def test_a_message_that_is_given_up_midway_is_let_go() -> None:
    connection = unary(lambda call, _: call.reply([b""]))
    connection.receive(OPENED, 0.0)
    connection.receive(frame(DATA, 0, 1, LARGE), 0.0)
    body = weakref.ref(connection.streams[1].receiver._body.memory.obj)
    assert body() is not None
    connection.receive(frame(RST_STREAM, 0, 1, bytes(4)), 0.0)
    assert body() is None


class Transport:
    """Takes what is written."""

    def write(self, data: bytes) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> object:
        """Its peer is of no network."""


def test_a_connection_that_ends_within_a_large_frame_lets_go_of_it() -> None:
    loop = asyncio.new_event_loop()
    application = GrpcApplication({b"/call": Method(lambda call, _: call.reply([b""]))}, 1 << 22)
    protocol = GrpcProtocol(application, Connections(9, 9), loop)
    protocol.connection_made(cast("asyncio.Transport", Transport()))
    wire = OPENED + frame(DATA, 0, 1, LARGE)[:50_000]
    protocol.get_buffer(-1)[: len(wire)] = wire
    protocol.buffer_updated(len(wire))
    protocol.get_buffer(-1)[:9] = bytes(9)
    protocol.buffer_updated(9)
    body = weakref.ref(protocol.get_buffer(-1).obj)
    assert body() is not None
    protocol.connection_lost(None)
    assert body() is None
    left = weakref.ref(protocol)
    del protocol
    assert left() is None
    loop.close()


def test_an_answer_that_waits_keeps_no_other() -> None:
    batch = np.zeros(1_600_000, np.uint8)
    given = weakref.ref(batch)
    calls: list[GrpcCall] = []
    connection = unary(lambda call, _: calls.append(call))
    connection.receive(OPENED, 0.0)
    connection.receive(frame(DATA, END_STREAM, 1, message(b"")), 0.0)
    calls.pop().reply([batch.data[:100_000]])
    del batch
    connection.out.clear()
    assert connection.unsent_bytes > 0
    assert given() is not None
    connection.reset_stalled(1.0, 60.0)  # as once a second
    assert given() is None


def test_a_small_message_that_waits_is_its_own_and_counted() -> None:
    budget = Budget(10_000)
    connection = unary(lambda call, _: call.reply([b""]), budget)
    connection.receive(OPENED, 0.0)
    read = frame(DATA, 0, 1, message(bytes(4000))) + frame(6, 0, 0, bytes(8)) * 1000  # PING
    connection.receive(read, 0.0)
    call = connection.streams[1].receiver
    assert (len(call._message.obj), budget.used_bytes) == (len(read), 0)
    connection.reset_stalled(1.0, 60.0)
    assert (len(call._message.obj), budget.used_bytes) == (4000, 4000)
    connection.receive(frame(DATA, END_STREAM, 1, b""), 0.0)
    assert budget.used_bytes == 0


@pytest.mark.parametrize(("size", "copied"), [(10, True), (499, True), (500, False), (1000, False)])
def test_what_is_most_of_its_memory_stays(size: int, copied: bool) -> None:
    whole = bytes(1000)
    view = own(memoryview(whole)[:size])
    assert len(view) == size
    assert (view.obj is not whole) == copied
