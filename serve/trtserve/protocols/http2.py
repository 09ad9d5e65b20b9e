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
from trtserve.protocols.http2_data import DataFrames
from trtserve.protocols.http2_frames import (
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEAD,
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
    ConnectionLost,
    frame,
    unpadded,
)
from trtserve.protocols.http2_stream import Stream
from trtserve.protocols.http2_streams import Application


class Http2Connection(DataFrames):
    """One connection. `receive` takes bytes; `out` is what to write; `closing`: then close."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application
        self._decoder = HeaderDecoder()
        self._rest = b""
        self._started = False
        self.failed = False  # the peer broke the protocol

    @property
    def torn(self) -> tuple[object, int]:
        """The frame or header block that the peer has begun, and how much of it is here."""
        if self.block is not None:
            return "block", sum(map(len, self.block[2]))
        return self._rest[:9] or None, len(self._rest)

    def reset_stalled(self, now: float, timeout_s: float) -> None:
        """Give up streams whose request does not come, or whose answer is not let through."""
        for stream in list(self.streams.values()):
            if stream.stalled(now, timeout_s):
                self.reset(stream, CANCEL)

    def peer_ended(self) -> None:
        """The peer sends no more: what it has begun never ends, what it has asked is answered."""
        for stream in list(self.streams.values()):
            if not stream.remote_closed:
                self.reset(stream, CANCEL)
        self.draining = True  # without a GOAWAY: there is nothing that it could still keep back
        self.closing = self.closing or not self.streams

    def receive(self, data: bytes | memoryview, now: float) -> None:
        """Bytes as they were read, `now` in seconds of any clock that does not go back.

        A memoryview is memory that is used again: what is to be kept of it is copied.
        """
        if self.closing:
            return
        self.now = now
        try:
            self._receive(self._rest + data if self._rest else data)
        except ConnectionLost as lost:
            self._fail(lost)

    def _receive(self, data: bytes | memoryview) -> None:
        offset = 0
        if not self._started:
            if not PREFACE.startswith(bytes(data[:24])):
                raise ConnectionLost(PROTOCOL_ERROR, "no HTTP/2 connection preface")
            if len(data) < len(PREFACE):
                self._rest = bytes(data)
                return
            self._started, offset = True, len(PREFACE)
        end = len(data)
        view = memoryview(data)
        unpack = HEAD.unpack_from
        while True:
            if self._data_left or self._padding_left:
                offset = self._more_data(view, offset)
                if offset == end:
                    break
            if end - offset < 9:
                break
            high, low, type_, flags, stream = unpack(data, offset)
            length = high << 8 | low
            stream &= 0x7FFFFFFF
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
            payload = bytes(data[offset + 9 : offset + 9 + length])
            offset += 9 + length
            self._frame(type_, flags, stream, payload)
        self._rest = bytes(data[offset:]) if offset < end else b""

    # Every other frame

    def _frame(self, type_: int, flags: int, stream: int, payload: bytes) -> None:
        if self.block is not None and (type_ != CONTINUATION or stream != self.block[0]):
            raise ConnectionLost(PROTOCOL_ERROR, "a header block is interrupted")
        if not self.settled and type_ != SETTINGS:
            raise ConnectionLost(PROTOCOL_ERROR, "the first frame is not SETTINGS")
        if type_ == HEADERS:
            self._headers(flags, stream, payload)
        elif type_ == CONTINUATION:
            self._continuation(flags, stream, payload)
        elif (handler := HANDLERS.get(type_)) is not None:
            handler(self, flags, stream, payload)
        else:
            self.patience.spend(1.0, self.now)  # unknown types are to be ignored (section 4.1)
        self.patience.check()

    def _headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id & 1:
            raise ConnectionLost(PROTOCOL_ERROR, f"HEADERS on stream {stream_id}")
        if flags & (PADDED | PRIORITIZED):
            payload = unpadded(flags, stream_id, payload)
        if not flags & END_HEADERS:
            self.block = (stream_id, flags, [payload])
            return
        self._whole_block(flags, stream_id, payload)

    def _continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        if self.block is None:
            raise ConnectionLost(PROTOCOL_ERROR, "CONTINUATION without a header block")
        _, first_flags, fragments = self.block
        fragments.append(payload)
        if len(fragments) > MAX_CONTINUATIONS or sum(map(len, fragments)) > MAX_LIST_BYTES:
            raise ConnectionLost(ENHANCE_YOUR_CALM, "a header block without an end")
        if flags & END_HEADERS:
            self.block = None
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
        if b"content-length" in headers:
            stream.body_left = int(headers[b"content-length"])
        self.streams[stream_id] = stream
        stream.remote_closed = ends  # who is refused at once need not be told to stop
        stream.receiver = self._application.stream_opened(stream, headers)
        if ends and not stream.local_closed:
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
        self.failed = True
        self.lost()
