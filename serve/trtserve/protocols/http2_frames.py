"""HTTP/2 frames as bytes, codes and limits, and when a peer has gone too far."""

from __future__ import annotations

import struct

from trtserve.protocols.headers import MAX_LIST_BYTES

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY = range(8)
WINDOW_UPDATE, CONTINUATION = 8, 9
ACK = END_STREAM = 0x1
END_HEADERS, PADDED, PRIORITIZED = 0x4, 0x8, 0x20

NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR = 0, 1, 2, 3
STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM, CANCEL = 5, 6, 7, 8
COMPRESSION_ERROR, ENHANCE_YOUR_CALM = 9, 11

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
MAX_STREAMS = 1024
MAX_FRAME_BYTES = 1 << 20  # DATA frames are passed on as they come, others are held to 64 KiB
CONNECTION_WINDOW = 32 << 20
STREAM_WINDOW = 8 << 20
MAX_WINDOW = MAX_STREAM_ID = 2**31 - 1
MAX_CONTINUATIONS = 32
REMEMBERED_RESETS = 1000
HEAD = struct.Struct(">HBBBI")  # length (24 bits: 16 + 8), type, flags, stream


def frame(type_: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A whole frame."""
    return frame_head(len(payload), type_, flags, stream) + payload


def frame_head(length: int, type_: int, flags: int, stream: int) -> bytes:
    """The nine bytes before a payload."""
    return HEAD.pack(length >> 8, length & 0xFF, type_, flags, stream)


class ConnectionLost(Exception):  # noqa: N818  # an end that is told, not an error of ours
    """The peer broke the protocol: GOAWAY with `code`, then close."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Patience:
    """Frames that bring no work forward are counted; work and time make up for them."""

    _LIMIT = 5000.0
    _PER_SECOND = 100.0

    def __init__(self) -> None:
        self._spent = 0.0
        self._since = 0.0

    def spend(self, cost: float, now: float) -> None:
        """The peer has sent something that leads nowhere."""
        earned = (now - self._since) * self._PER_SECOND
        self._since = now
        self._spent = max(0.0, self._spent - earned) + cost

    def check(self) -> None:
        """Raises `ConnectionLost` when that was too much. Only where the peer is listened to."""
        if self._spent > self._LIMIT:
            raise ConnectionLost(ENHANCE_YOUR_CALM, "too many frames that lead to no request")

    def earn(self) -> None:
        """A request was carried through."""
        if self._spent:
            self._spent = max(0.0, self._spent - 10.0)


OUR_SETTINGS = frame(
    SETTINGS, 0, 0,
    struct.pack(">HIHIHIHI", 3, MAX_STREAMS, 4, STREAM_WINDOW, 5, MAX_FRAME_BYTES,
                6, MAX_LIST_BYTES),
) + frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", CONNECTION_WINDOW - 65535))  # fmt: skip

PROBE = frame(PING, 0, 0, bytes(8))  # for no other purpose than to hear whether a peer is there


def unpadded(flags: int, stream_id: int, payload: bytes) -> bytes:
    """A HEADERS payload without padding and priority."""
    padding = 0
    if flags & PADDED:
        if not payload:
            raise ConnectionLost(FRAME_SIZE_ERROR, "HEADERS without its pad length")
        padding, payload = payload[0], payload[1:]
    if flags & PRIORITIZED:
        if len(payload) < 5:
            raise ConnectionLost(FRAME_SIZE_ERROR, "HEADERS without its priority")
        if int.from_bytes(payload[:4], "big") & 0x7FFFFFFF == stream_id:
            raise ConnectionLost(PROTOCOL_ERROR, "a stream depends on itself")
        payload = payload[5:]
    if padding > len(payload):
        raise ConnectionLost(PROTOCOL_ERROR, "HEADERS with more padding than bytes")
    return payload[: len(payload) - padding]
