"""HTTP/2's DATA frames: passed on as they come, held to the windows (RFC 9113, 5.2 and 6.1)."""

from __future__ import annotations

import struct

from trtserve.protocols.http2_frames import (
    CONNECTION_WINDOW,
    END_STREAM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    HEAD,
    PADDED,
    PROTOCOL_ERROR,
    STREAM_CLOSED,
    STREAM_WINDOW,
    WINDOW_UPDATE,
    ConnectionLost,
    frame,
)
from trtserve.protocols.http2_stream import Stream
from trtserve.protocols.http2_streams import Streams

# What is left of a frame is read straight to where it belongs from this size on.
_DIRECT_BYTES = 32 * 1024


class DataFrames(Streams):
    """The part of a connection that takes DATA frames, whole or torn."""

    def __init__(self) -> None:
        super().__init__()
        # The header block that the peer is within: stream, flags, fragments.
        self.block: tuple[int, int, list[bytes]] | None = None
        self._data_left = 0  # of a DATA frame that is coming: payload, then padding
        self._padding_left = 0
        self._data_stream: Stream | None = None
        self._data_ends = False
        self._bulk_id = 0  # the stream whose large body is coming
        self._receive_window = CONNECTION_WINDOW

    def _begin_data(
        self, view: memoryview, offset: int, length: int, flags: int, stream_id: int
    ) -> int:
        """The head of a DATA frame. Returns the offset behind it, -1: the pad length is missing."""
        if stream_id == self._bulk_id and not flags:
            taken = self._more_bulk(view, offset, length)
            if taken:
                return offset + taken
        if self.block or not self.settled:
            raise ConnectionLost(PROTOCOL_ERROR, "DATA where it has no place")
        padding = 0
        payload = length
        if flags & PADDED:
            if length == 0:
                raise ConnectionLost(FRAME_SIZE_ERROR, "DATA without its pad length")
            if offset >= len(view):
                return -1
            padding = view[offset]
            offset += 1
            payload -= 1 + padding
            if payload < 0:
                raise ConnectionLost(PROTOCOL_ERROR, "DATA with more padding than bytes")
        stream = self._stream_for_data(stream_id)
        self._account(stream, length)
        if payload == 0 and not flags & END_STREAM:
            self.patience.spend(1.0, self.now)
            self.patience.check()
        self._data_stream, self._data_ends = stream, bool(flags & END_STREAM)
        self._data_left, self._padding_left = payload, padding
        if payload == 0 and padding == 0:
            self._end_data()
        return offset

    def _stream_for_data(self, stream_id: int) -> Stream | None:
        stream = self.streams.get(stream_id)
        if stream is not None and not stream.remote_closed:
            return stream
        if stream is None and stream_id in self.reset_streams:
            return None
        if stream_id == 0 or stream_id > self.last_stream or not stream_id & 1:
            raise ConnectionLost(PROTOCOL_ERROR, f"DATA on stream {stream_id}, which is not open")
        raise ConnectionLost(STREAM_CLOSED, f"DATA on stream {stream_id}, which is closed")

    def _account(self, stream: Stream | None, length: int) -> None:
        """Windows count whole frames, padding too. Both are refilled by half."""
        self._receive_window -= length
        if self._receive_window < 0:
            raise ConnectionLost(FLOW_CONTROL_ERROR, "more data than the connection's window")
        if self._receive_window < CONNECTION_WINDOW // 2:
            self._refill(0, CONNECTION_WINDOW - self._receive_window)
            self._receive_window = CONNECTION_WINDOW
        if stream is None:
            return
        stream.receive_window -= length
        if stream.receive_window < 0:
            raise ConnectionLost(FLOW_CONTROL_ERROR, "more data than the stream's window")
        if stream.receive_window < STREAM_WINDOW // 2:
            self._refill(stream.id, STREAM_WINDOW - stream.receive_window)
            stream.receive_window = STREAM_WINDOW

    def _refill(self, stream_id: int, count: int) -> None:
        self.out.append(frame(WINDOW_UPDATE, 0, stream_id, struct.pack(">I", count)))

    def _more_data(self, view: memoryview, offset: int) -> int:
        """Pass on what has come of the current DATA frame."""
        if self._data_left:
            part = view[offset : offset + self._data_left]
            self._data_left -= len(part)
            offset += len(part)
            if self._data_stream is not None and self._data_stream.body_left >= 0:
                self._count(self._data_stream, len(part))
            if self._data_stream is not None and part and not self._data_stream.local_closed:
                self._data_stream.receiver.data(part)
            if self._data_left:
                return offset
        if self._padding_left:
            skipped = min(self._padding_left, len(view) - offset)
            self._padding_left -= skipped
            offset += skipped
            if self._padding_left:
                return offset
        self._end_data()
        return offset

    def space(self) -> memoryview | None:
        """Where the rest of the current DATA frame belongs; None: give it to `receive`."""
        stream = self._data_stream
        if self._data_left < _DIRECT_BYTES or stream is None or stream.local_closed:
            return None
        room = None if self.closing else stream.receiver.space()
        return None if room is None else room[: self._data_left]

    def filled(self, count: int, now: float) -> None:
        """`count` bytes were read into `space`."""
        self.now = now
        stream = self._data_stream
        assert stream is not None
        self._data_left -= count
        if stream.body_left >= 0:
            self._count(stream, count)
        if not stream.local_closed:
            stream.receiver.filled(count)
        if not self._data_left and not self._padding_left:
            self._end_data()

    def _more_bulk(self, view: memoryview, offset: int, length: int) -> int:
        """Whole DATA frames with the same head in the midst of a large body.

        Returns how many bytes they are, but for the first one's head; 0: the first has to take the
        long way.
        """
        stream = self.streams.get(self._bulk_id)
        if (
            stream is None
            or stream.local_closed
            or stream.body_left >= 0
            or self.block is not None
            or not length
        ):
            return 0
        room = stream.receiver.space()
        if room is None:
            return 0
        allowed = min(
            len(room), self._receive_window - CONNECTION_WINDOW // 2,
            stream.receive_window - STREAM_WINDOW // 2,
        )  # fmt: skip
        # A loop of its own: for frames of 16 KB what else is asked of each costs as much as a copy.
        end = len(view) - length
        head = view[offset - HEAD.size : offset]
        taken, start = 0, offset
        while taken + length <= allowed and start <= end:
            room[taken : taken + length] = view[start : start + length]
            taken += length
            start += length + HEAD.size
            if view[start - HEAD.size : start] != head:
                break
        if not taken:
            return 0
        self._receive_window -= taken
        stream.receive_window -= taken
        stream.receiver.filled(taken)
        return start - HEAD.size - offset

    def _end_data(self) -> None:
        stream, self._data_stream = self._data_stream, None
        if stream is not None:
            self._bulk_id = stream.id
        if stream is not None and self._data_ends:
            self._remote_end(stream)

    def _count(self, stream: Stream, count: int) -> None:
        stream.body_left -= count
        if stream.body_left < 0 and not stream.local_closed:
            self.reset(stream, PROTOCOL_ERROR)  # more than content-length says (section 8.1.1)

    def _remote_end(self, stream: Stream) -> None:
        if stream.body_left > 0 and not stream.local_closed:
            self.reset(stream, PROTOCOL_ERROR)  # less than content-length says
            return
        stream.remote_closed = True
        if stream.local_closed:
            self.forget(stream)
        else:
            stream.receiver.end()
