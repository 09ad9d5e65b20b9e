"""The streams of one HTTP/2 connection: which are open, and what our side does to them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Protocol

from trtserve.protocols.headers import Headers
from trtserve.protocols.http2_frames import (
    GOAWAY,
    NO_ERROR,
    OUR_SETTINGS,
    REMEMBERED_RESETS,
    RST_STREAM,
    Patience,
    frame,
)
from trtserve.protocols.http2_stream import NOBODY, Stream
from trtserve.request import Buffer


class Receiver(Protocol):
    """What takes a stream's request; made by `Application.stream_opened`."""

    def data(self, data: memoryview) -> None:
        """Some of the request's body, in memory that may be used again if it can be written to."""

    def space(self) -> memoryview | None:
        """Where the body's next bytes belong; None: give them to `data`."""

    def filled(self, count: int) -> None:
        """`count` bytes were written into `space`."""

    def end(self) -> None:
        """The body is whole."""

    def reset(self) -> None:
        """The peer gave the stream up, or the connection is gone."""

    def settle(self) -> None:
        """It has been unfinished for a while: hold no more than there is, and count it."""

    @property
    def unfinished(self) -> bool:
        """More has to come soon; a streaming call may instead rest between messages."""

    @property
    def received_bytes(self) -> int:
        """How much has come of what is unfinished."""


class Application(Protocol):
    """Who serves the requests of a connection."""

    def stream_opened(self, stream: Stream, headers: Headers) -> Receiver:
        """A request has begun."""


class Streams:
    """What control frames and streams act on; `out` is what to write; `closing`: then close."""

    def __init__(self) -> None:
        self.patience = Patience()
        self.now = 0.0  # seconds, of the last read
        self.settled = False  # the peer's first SETTINGS have come
        self.last_stream = 0
        self.draining = False
        self.streams: dict[int, Stream] = {}
        self.reset_streams: dict[int, None] = {}  # lately; frames for these may still come
        self.send_window = 65535
        self.unsent_bytes = 0  # of all answers, for want of window
        self.peer_initial_window = 65535
        self.peer_max_frame = 16384
        self.table_update = b""  # what the next header block must begin with
        self.out: list[Buffer] = [OUR_SETTINGS]
        self.closing = False
        self.wake: Callable[[], None] = nothing  # called when `out` has grown between reads

    def reset(self, stream: Stream, code: int) -> None:
        """Give a stream up; its receiver hears of it."""
        if self.streams.pop(stream.id, None) is None:
            return
        stream.abandon()
        self.reset_unopened(stream.id, code)
        stream.dismiss()

    def reset_unopened(self, stream_id: int, code: int) -> None:
        """Refuse a stream that has no receiver (any more)."""
        self.patience.spend(5.0, self.now)
        self.remember_reset(stream_id)
        self.out.append(frame(RST_STREAM, 0, stream_id, struct.pack(">I", code)))

    def remember_reset(self, stream_id: int) -> None:
        """Frames for this stream may still be on their way: they are not the peer's fault."""
        self.reset_streams[stream_id] = None
        if len(self.reset_streams) > REMEMBERED_RESETS:
            del self.reset_streams[next(iter(self.reset_streams))]

    def forget(self, stream: Stream) -> None:
        """A stream is over on both sides."""
        self.streams.pop(stream.id, None)
        stream.receiver = NOBODY
        self.patience.earn()
        if self.draining and not self.streams:
            self.closing = True

    def finished_early(self, stream: Stream) -> None:
        """Our side has answered before the request was whole: tell the peer to stop sending.

        RFC 9113, section 8.1: RST_STREAM with NO_ERROR after a complete response.
        """
        self.streams.pop(stream.id, None)
        stream.remote_closed = True
        stream.receiver = NOBODY
        self.reset_unopened(stream.id, NO_ERROR)

    def drain(self) -> None:
        """Take no more requests; `closing` once those that are here were answered."""
        if not self.draining:
            self.draining = True
            self.out.append(frame(GOAWAY, 0, 0, struct.pack(">II", self.last_stream, NO_ERROR)))
            if not self.streams:
                self.closing = True

    def lost(self) -> None:
        """The connection is gone: every receiver hears of it."""
        streams, self.streams = self.streams, {}
        self.closing = True
        for stream in streams.values():
            stream.abandon()
            stream.dismiss()


def nothing() -> None:
    pass
