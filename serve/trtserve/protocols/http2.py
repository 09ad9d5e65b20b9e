"""HTTP/2 on the server's side (RFC 9113), without I/O: frames in, calls on streams; frames out.

What a peer can make this end hold or do is bounded: streams (`MAX_STREAMS`), header blocks
(`headers.MAX_LIST_BYTES`, `MAX_CONTINUATIONS`), unread data (the windows), and frames that bring
no work forward (`Patience`: pings, settings, empty data, resets of what was just begun -
CVE-2023-44487, CVE-2024-27316).
"""

from __future__ import annotations

import struct

from trtserve.protocols.headers import (
    MAX_LIST_BYTES,
    CompressionError,
    HeaderDecoder,
    MalformedError,
    OversizedError,
)
from trtserve.protocols.http2_control import HANDLERS
from trtserve.protocols.http2_frames import (
    COMPRESSION_ERROR,
    CONNECTION_WINDOW,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    MAX_CONTINUATIONS,
    MAX_FRAME_BYTES,
    MAX_STREAMS,
    PADDED,
    PREFACE,
    PRIORITIZED,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    STREAM_WINDOW,
    WINDOW_UPDATE,
    ConnectionLost,
    frame,
    unpadded,
)
from trtserve.protocols.http2_stream import Stream
from trtserve.protocols.http2_streams import Application, Streams


class Http2Connection(Streams):
    """One connection. `receive` takes bytes; `out` is what to write; `closing`: then close."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application
        self._decoder = HeaderDecoder()
        self._rest = b""
        self._started = False
        self._block: tuple[int, int, list[bytes]] | None = None  # stream, flags, fragments
        self._data_left = 0  # of a DATA frame that is coming: payload, then padding
        self._padding_left = 0
        self._data_stream: Stream | None = None
        self._data_ends = False
        self._receive_window = CONNECTION_WINDOW

    @property
    def incomplete(self) -> bool:
        """The peer has begun something that it has not ended: a frame, a block, a request."""
        return bool(self._rest or self._block or self._data_left) or any(
            not stream.remote_closed and stream.receiver.unfinished
            for stream in self.streams.values()
        )

    def receive(self, data: bytes, now: float) -> None:
        """Bytes as they were read, `now` in seconds of any clock that does not go back."""
        if self.closing:
            return
        self.now = now
        try:
            self._receive(self._rest + data if self._rest else data)
        except ConnectionLost as lost:
            self._fail(lost)

    def _receive(self, data: bytes) -> None:
        offset = 0
        if not self._started:
            if not PREFACE.startswith(data[:24]):
                raise ConnectionLost(PROTOCOL_ERROR, "no HTTP/2 connection preface")
            if len(data) < len(PREFACE):
                self._rest = data
                return
            self._started, offset = True, len(PREFACE)
        end = len(data)
        view = memoryview(data)
        from_bytes = int.from_bytes
        while True:
            if self._data_left or self._padding_left:
                offset = self._more_data(view, offset)
                if offset == end:
                    break
            if end - offset < 9:
                break
            length = from_bytes(data[offset : offset + 3], "big")
            type_, flags = data[offset + 3], data[offset + 4]
            stream = from_bytes(data[offset + 5 : offset + 9], "big") & 0x7FFFFFFF
            if type_ == DATA and length <= MAX_FRAME_BYTES:
                begun = self._begin_data(view, offset + 9, length, flags, stream)
                if begun < 0:
                    break
                offset = begun
                continue
            if length > MAX_LIST_BYTES:
                raise ConnectionLost(FRAME_SIZE_ERROR, f"a frame of {length} bytes")
            if end - offset - 9 < length:
                break
            payload = data[offset + 9 : offset + 9 + length]
            offset += 9 + length
            self._frame(type_, flags, stream, payload)
        self._rest = data[offset:] if offset < end else b""

    # DATA

    def _begin_data(
        self, view: memoryview, offset: int, length: int, flags: int, stream_id: int
    ) -> int:
        """The head of a DATA frame. Returns the offset behind it, -1: the pad length is missing."""
        if self._block or not self.settled:
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

    def _end_data(self) -> None:
        stream, self._data_stream = self._data_stream, None
        if stream is not None and self._data_ends:
            self._remote_end(stream)

    def _remote_end(self, stream: Stream) -> None:
        stream.remote_closed = True
        if stream.local_closed:
            self.forget(stream)
        else:
            stream.receiver.end()

    # Every other frame

    def _frame(self, type_: int, flags: int, stream: int, payload: bytes) -> None:
        if self._block is not None and (type_ != CONTINUATION or stream != self._block[0]):
            raise ConnectionLost(PROTOCOL_ERROR, "a header block is interrupted")
        if not self.settled and type_ != SETTINGS:
            raise ConnectionLost(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if type_ == HEADERS:
            self._headers(flags, stream, payload)
            return
        if type_ == CONTINUATION:
            self._continuation(flags, stream, payload)
            return
        handler = HANDLERS.get(type_)
        if handler is None:
            self.patience.spend(1.0, self.now)  # unknown types are to be ignored (section 4.1)
            return
        handler(self, flags, stream, payload)

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise ConnectionLost(PROTOCOL_ERROR, f"HEADERS on stream {stream_id}")
        if flags & (PADDED | PRIORITIZED):
            payload = unpadded(flags, stream_id, payload)
        if not flags & END_HEADERS:
            self._block = (stream_id, flags, [payload])
            return
        self._whole_block(flags, stream_id, payload)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self._block is None:
            raise ConnectionLost(PROTOCOL_ERROR, "CONTINUATION without a header block")
        _, first_flags, fragments = self._block
        fragments.append(payload)
        if len(fragments) > MAX_CONTINUATIONS or sum(map(len, fragments)) > MAX_LIST_BYTES:
            raise ConnectionLost(ENHANCE_YOUR_CALM, "a header block without an end")
        if flags & END_HEADERS:
            self._block = None
            self._whole_block(first_flags, stream_id, b"".join(fragments))

    def _whole_block(self, flags: int, stream_id: int, block: bytes) -> None:
        ends = bool(flags & END_STREAM)
        if stream_id <= self.last_stream:
            self._trailers(stream_id, block, ends=ends)
            return
        self.last_stream = stream_id
        try:
            headers = self._decoder.known(block) or self._decoder.request(block)
        except CompressionError as error:
            raise ConnectionLost(COMPRESSION_ERROR, str(error)) from None
        except OversizedError as error:
            raise ConnectionLost(ENHANCE_YOUR_CALM, str(error)) from None
        except MalformedError:
            self.reset_unopened(stream_id, PROTOCOL_ERROR)
            return
        if self.draining or len(self.streams) >= MAX_STREAMS:
            self.reset_unopened(stream_id, REFUSED_STREAM)
            return
        stream = Stream(self, stream_id, self.peer_initial_window, STREAM_WINDOW)
        self.streams[stream_id] = stream
        stream.receiver = self._application.stream_opened(stream, headers)
        if ends:
            self._remote_end(stream)

    def _trailers(self, stream_id: int, block: bytes, *, ends: bool) -> None:
        stream = self.streams.get(stream_id)
        if stream_id not in self.reset_streams and (stream is None or stream.remote_closed):
            raise ConnectionLost(STREAM_CLOSED, f"HEADERS on stream {stream_id}, which has ended")
        try:
            self._decoder.trailers(block)
        except CompressionError as error:
            raise ConnectionLost(COMPRESSION_ERROR, str(error)) from None
        except OversizedError as error:
            raise ConnectionLost(ENHANCE_YOUR_CALM, str(error)) from None
        except MalformedError:
            if stream is not None:
                self.reset(stream, PROTOCOL_ERROR)
            return
        if stream is None:
            return
        if not ends:
            self.reset(stream, PROTOCOL_ERROR)
            return
        self._remote_end(stream)

    def _fail(self, lost: ConnectionLost) -> None:
        goaway = struct.pack(">II", self.last_stream, lost.code) + lost.message.encode()
        self.out.append(frame(GOAWAY, 0, 0, goaway))
        self.lost()
