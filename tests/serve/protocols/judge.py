"""The `h2` library as a server beside ours: the same bytes to both, and their verdicts."""

from __future__ import annotations

import struct
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from h2.settings import SettingCodes
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.headers import MAX_LIST_BYTES, status
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_stream import Stream

ACCEPTED, REFUSED = "accepted", "refused"


class Answering:
    """Answers by path, with headers alone: /never, /early (once it is opened), else at its end."""

    def stream_opened(self, stream: Stream, headers: Any) -> _Call:
        call = _Call(stream, headers[b":path"])
        if call.path == b"/early":
            stream.send_headers(status(200), end=True)
        return call


class _Call:
    unfinished = True
    received_bytes = 0

    def __init__(self, stream: Stream, path: bytes) -> None:
        self.stream, self.path = stream, path

    def data(self, data: memoryview) -> None:
        """Not needed."""

    def space(self) -> None:
        """None."""

    def filled(self, count: int) -> None:
        """Not needed."""

    def end(self) -> None:
        if self.path != b"/never":
            self.stream.send_headers(status(200), end=True)

    def reset(self) -> None:
        """Not needed."""

    def settle(self) -> None:
        """Not needed."""


class Ours:
    """Our connection: its verdict on what it was last sent."""

    def __init__(self) -> None:
        self.connection = Http2Connection(Answering())
        self.goaway: int | None = None
        self._reset: set[int] = set()

    def receive(self, data: bytes) -> str:
        self.connection.receive(data, 0.0)
        verdict = ACCEPTED
        for type_, _, stream, payload in split(b"".join(map(bytes, self.connection.out))):
            if type_ == frames.GOAWAY:
                (self.goaway,) = struct.unpack(">I", payload[4:8])
                verdict = REFUSED
            if type_ == frames.RST_STREAM and stream not in self._reset:
                self._reset.add(stream)
                if int.from_bytes(payload, "big") != frames.NO_ERROR:
                    verdict = REFUSED
        self.connection.out = []
        assert self.connection.closing == (self.goaway is not None)
        return verdict


class Judge:
    """The same of `h2`, with the settings that we announce."""

    def __init__(self) -> None:
        config = h2.config.H2Configuration(client_side=False, header_encoding=None)
        self.connection = h2.connection.H2Connection(config)
        self.connection.local_settings = h2.settings.Settings(client=False, initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: frames.MAX_STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: frames.STREAM_WINDOW,
            SettingCodes.MAX_FRAME_SIZE: frames.MAX_FRAME_BYTES,
            SettingCodes.MAX_HEADER_LIST_SIZE: MAX_LIST_BYTES,
        })  # fmt: skip
        self.connection.max_inbound_frame_size = frames.MAX_FRAME_BYTES
        self.connection.decoder.max_header_list_size = MAX_LIST_BYTES
        self.connection.initiate_connection()
        self.connection.increment_flow_control_window(frames.CONNECTION_WINDOW - 65535)
        self.connection.data_to_send()
        self._paths: dict[int, bytes] = {}
        self._reset: set[int] = set()

    def receive(self, data: bytes) -> str:
        try:
            for event in self.connection.receive_data(data):
                self._answer(event)
        except h2.exceptions.ProtocolError:
            return REFUSED
        verdict = ACCEPTED
        for type_, _, stream, payload in split(self.connection.data_to_send()):
            assert type_ != frames.GOAWAY
            if type_ == frames.RST_STREAM and stream not in self._reset:
                self._reset.add(stream)
                if int.from_bytes(payload, "big") != frames.NO_ERROR:
                    verdict = REFUSED
        return verdict

    @property
    def waits_on(self) -> int:
        """The stream whose header block has not ended; 0: none."""
        pending = self.connection.incoming_buffer._headers_buffer
        return pending[0].stream_id if pending else 0

    def _answer(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            path = dict(event.headers).get(b":path", b"")
            self._paths[event.stream_id] = path
            if path == b"/early":
                self.connection.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
                if event.stream_ended is None:
                    self.connection.reset_stream(event.stream_id, frames.NO_ERROR)
        elif isinstance(event, h2.events.StreamReset):
            if event.remote_reset:
                self._reset.add(event.stream_id)
        elif isinstance(event, h2.events.StreamEnded) and (
            self._paths[event.stream_id] not in (b"/never", b"/early")
        ):
            self.connection.send_headers(event.stream_id, [(":status", "200")], end_stream=True)


def split(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Whole frames as type, flags, stream, payload."""
    found = []
    while data:
        end = 9 + int.from_bytes(data[:3], "big")
        found.append((data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:end]))
        data = data[end:]
    return found
