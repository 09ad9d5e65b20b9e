"""HTTP/2's control frames: what each of them does to the streams of a connection (RFC 9113, 6)."""

from __future__ import annotations

import struct
from collections.abc import Callable

from trtserve.protocols.http2_frames import (
    ACK,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    MAX_STREAM_ID,
    MAX_WINDOW,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    ConnectionLost,
    frame,
)
from trtserve.protocols.http2_streams import Streams

_DRIBBLE_BYTES = 256

_TABLE_BYTES = 4096  # of a header table unless settings say otherwise


def _priority(connection: Streams, _flags: int, stream_id: int, payload: bytes) -> None:
    connection.patience.spend(1.0, connection.now)
    if stream_id == 0:
        raise ConnectionLost(PROTOCOL_ERROR, "PRIORITY on stream 0")
    if len(payload) != 5:
        raise ConnectionLost(FRAME_SIZE_ERROR, "PRIORITY has 5 bytes")
    if int.from_bytes(payload[:4], "big") & MAX_STREAM_ID == stream_id:
        raise ConnectionLost(PROTOCOL_ERROR, "a stream depends on itself")


def _rst_stream(connection: Streams, _flags: int, stream_id: int, payload: bytes) -> None:
    if len(payload) != 4:
        raise ConnectionLost(FRAME_SIZE_ERROR, "RST_STREAM has 4 bytes")
    _must_not_be_idle(connection, stream_id, "RST_STREAM")
    stream = connection.streams.pop(stream_id, None)
    # Opening and resetting costs the peer two frames and us a request: it weighs more. Twice all
    # the streams that may be open can be cancelled at once: clients end so when they lose patience.
    connection.patience.spend(1.0 if stream is None else 2.0, connection.now)
    if stream is not None:
        stream.abandon()
        connection.remember_reset(stream_id)
        stream.dismiss()


def _settings(connection: Streams, flags: int, stream_id: int, payload: bytes) -> None:
    if stream_id:
        raise ConnectionLost(PROTOCOL_ERROR, "SETTINGS on a stream")
    if len(payload) % 6 or (flags & ACK and payload):
        raise ConnectionLost(FRAME_SIZE_ERROR, "SETTINGS of a wrong size")
    connection.settled = True
    connection.patience.spend(1.0 + len(payload) / 60, connection.now)
    if flags & ACK:
        return
    # First, as data that only the new windows allow may not go out before it.
    connection.out.append(frame(SETTINGS, ACK, 0))
    window = connection.peer_initial_window
    for identifier, value in struct.iter_unpack(">HI", payload):
        _setting(connection, identifier, value)
    # Once a frame: ten thousand settings times a thousand streams are minutes of work.
    if connection.peer_initial_window != window:
        _widen(connection, connection.peer_initial_window - window)


def _widen(connection: Streams, change: int) -> None:
    for stream in list(connection.streams.values()):
        stream.send_window += change
        if stream.send_window > MAX_WINDOW:
            raise ConnectionLost(FLOW_CONTROL_ERROR, "a window grew over its limit")
        stream.pump()


def _setting(connection: Streams, identifier: int, value: int) -> None:
    if identifier == 1 and value < _TABLE_BYTES:
        # We use no dynamic table, but must say so once the peer's has shrunk (RFC 7541, 4.2).
        connection.table_update = b"\x20"
    if identifier in (2, 8) and value > 1:
        raise ConnectionLost(PROTOCOL_ERROR, f"SETTINGS {identifier} is 0 or 1, not {value}")
    if identifier == 4:
        if value > MAX_WINDOW:
            raise ConnectionLost(FLOW_CONTROL_ERROR, "SETTINGS_INITIAL_WINDOW_SIZE too large")
        connection.peer_initial_window = value
    if identifier == 5:
        if not 16384 <= value <= 2**24 - 1:
            raise ConnectionLost(PROTOCOL_ERROR, "SETTINGS_MAX_FRAME_SIZE out of range")
        connection.peer_max_frame = value


def _push_promise(_connection: Streams, _flags: int, _stream_id: int, _payload: bytes) -> None:
    raise ConnectionLost(PROTOCOL_ERROR, "PUSH_PROMISE from a client")


def _ping(connection: Streams, flags: int, stream_id: int, payload: bytes) -> None:
    if stream_id:
        raise ConnectionLost(PROTOCOL_ERROR, "PING on a stream")
    if len(payload) != 8:
        raise ConnectionLost(FRAME_SIZE_ERROR, "PING has 8 bytes")
    connection.patience.spend(1.0, connection.now)
    if not flags & ACK:
        connection.out.append(frame(PING, ACK, 0, payload))


def _goaway(connection: Streams, _flags: int, stream_id: int, payload: bytes) -> None:
    if stream_id:
        raise ConnectionLost(PROTOCOL_ERROR, "GOAWAY on a stream")
    if len(payload) < 8:
        raise ConnectionLost(FRAME_SIZE_ERROR, "GOAWAY has at least 8 bytes")
    connection.patience.spend(1.0, connection.now)


def _window_update(connection: Streams, _flags: int, stream_id: int, payload: bytes) -> None:
    if len(payload) != 4:
        raise ConnectionLost(FRAME_SIZE_ERROR, "WINDOW_UPDATE has 4 bytes")
    increment = int.from_bytes(payload, "big") & MAX_WINDOW
    if not increment:
        raise ConnectionLost(PROTOCOL_ERROR, "WINDOW_UPDATE by 0")
    # Windows that grow a byte at a time make a frame of each byte (CVE-2019-9511).
    connection.patience.spend(1.0 if increment < _DRIBBLE_BYTES else 0.02, connection.now)
    if stream_id == 0:
        _widen_connection(connection, increment)
        return
    _must_not_be_idle(connection, stream_id, "WINDOW_UPDATE")
    opened = connection.streams.get(stream_id)
    if opened is None:
        return
    opened.send_window += increment
    if opened.send_window > MAX_WINDOW:
        connection.reset(opened, FLOW_CONTROL_ERROR)
        return
    opened.pump()


def _widen_connection(connection: Streams, increment: int) -> None:
    connection.send_window += increment
    if connection.send_window > MAX_WINDOW:
        raise ConnectionLost(FLOW_CONTROL_ERROR, f"WINDOW_UPDATE by {increment}")
    if connection.unsent_bytes:
        connection.patience.spend(0.001 * len(connection.streams), connection.now)
        for stream in list(connection.streams.values()):
            stream.pump()


def _must_not_be_idle(connection: Streams, stream_id: int, what: str) -> None:
    if stream_id == 0 or not stream_id & 1 or stream_id > connection.last_stream:
        raise ConnectionLost(PROTOCOL_ERROR, f"{what} on stream {stream_id}, which is idle")


# Frame type -> what it does, given flags, stream and payload. Raises `ConnectionLost`.
HANDLERS: dict[int, Callable[[Streams, int, int, bytes], None]] = {
    PRIORITY: _priority,
    RST_STREAM: _rst_stream,
    SETTINGS: _settings,
    PUSH_PROMISE: _push_promise,
    PING: _ping,
    GOAWAY: _goaway,
    WINDOW_UPDATE: _window_update,
}
