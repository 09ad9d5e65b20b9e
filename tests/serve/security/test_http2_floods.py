"""Frames that cost the sender nothing and the server much.

CVE-2023-44487 (rapid reset), CVE-2024-27316 (CONTINUATION), CVE-2025-8671 (made to reset), and the
floods of 2019: CVE-2019-9511 (dribble), -9512 (ping), -9513 (priority), -9514 (reset), -9515
(settings), -9516 (empty header names), -9517 (unread answers), -9518 (empty frames).
What is counted here is what the server does, not how long it takes.
"""

from __future__ import annotations

import struct

import pytest
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.headers import literal
from trtserve.protocols.http2 import Http2Connection
from trtserve.protocols.http2_frames import frame

from tests.serve.protocols.echo import BLOCK, Echo, goaway_code

HELLO = frames.PREFACE + frame(frames.SETTINGS, 0, 0)
_READ = 64 * 1024  # bytes the server gets at a time


class Flooded:
    """A server that is sent frames until it has had enough; what it holds and says is counted."""

    def __init__(self, first: bytes = b"") -> None:
        self.echo = Echo()
        self.server = Http2Connection(self.echo)
        self.server.receive(HELLO + first, 0.0)
        self.sent = 0
        self.written = 0

    def send(self, data: bytes) -> bool:
        """False: the server has ended the connection."""
        for start in range(0, len(data), _READ):
            if self.server.closing:
                return False
            self.server.receive(data[start : start + _READ], 0.0)
            self.sent += 1
            if not self.server.closing:
                self.written += sum(map(len, self.server.out))
                self.server.out = []
        return not self.server.closing

    def flood(self, each: bytes, limit_bytes: int = 4 << 20) -> None:
        """Send the same without end: the server must put an end to it, calmly."""
        piece = each * max(1, _READ // len(each))
        for _ in range(limit_bytes // len(piece) + 2):
            if not self.send(piece):
                break
        assert goaway_code(self.server) == frames.ENHANCE_YOUR_CALM
        assert self.written < 4 << 20
        assert not self.server.streams


@pytest.mark.parametrize(
    "each",
    [
        frame(frames.PING, 0, 0, bytes(8)),
        frame(frames.PING, frames.ACK, 0, bytes(8)),
        frame(frames.SETTINGS, 0, 0),
        frame(frames.SETTINGS, frames.ACK, 0),
        frame(frames.SETTINGS, 0, 0, struct.pack(">HIHI", 4, 0, 4, 65535)),
        frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 1, 0)),
        frame(frames.PRIORITY, 0, 1, struct.pack(">IB", 3, 1)),
        frame(frames.GOAWAY, 0, 0, bytes(8)),
        frame(0x42, 0, 0),
        frame(0x42, 0, 1, bytes(100)),
    ],
    ids=lambda each: each[3:9].hex() + str(len(each)),
)
def test_control_floods(each: bytes) -> None:
    Flooded().flood(each)


@pytest.mark.parametrize("padding", [0, 255])
def test_empty_data_flood(padding: int) -> None:
    opened = frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK)
    payload = bytes([padding]) + bytes(padding)
    flooded = Flooded(opened)
    flooded.flood(frame(frames.DATA, frames.PADDED, 1, payload), 64 << 20)
    assert flooded.echo.calls[0].body == b""


def test_rapid_reset() -> None:
    """CVE-2023-44487: 2,500 requests at most are begun for nothing."""
    flooded = Flooded()
    for stream in range(1, 40_000, 2):
        if not flooded.send(
            frame(frames.HEADERS, frames.END_HEADERS, stream, BLOCK)
            + frame(frames.RST_STREAM, 0, stream, struct.pack(">I", frames.CANCEL))
        ):
            break
    assert goaway_code(flooded.server) == frames.ENHANCE_YOUR_CALM
    assert len(flooded.echo.calls) <= 2501
    assert all(call.was_reset for call in flooded.echo.calls)


def test_all_streams_cancelled_at_once_are_no_flood() -> None:
    """The connection's other calls go on; twice, since a client may try again."""
    flooded = Flooded(frame(frames.HEADERS, frames.END_HEADERS, 1, BLOCK))
    for first in (3, 3 + 2 * frames.MAX_STREAMS):
        streams = range(first, first + 2 * (frames.MAX_STREAMS - 1), 2)
        for flags, kind, payload in (
            (frames.END_HEADERS, frames.HEADERS, BLOCK),
            (0, frames.RST_STREAM, struct.pack(">I", frames.CANCEL)),
        ):
            assert flooded.send(b"".join(frame(kind, flags, each, payload) for each in streams))
    assert list(flooded.server.streams) == [1]
    assert flooded.send(frame(frames.DATA, frames.END_STREAM, 1, b"x"))
    assert flooded.echo.calls[0].ended


@pytest.mark.parametrize(
    "spoil",
    [
        lambda stream: frame(frames.WINDOW_UPDATE, 0, stream, struct.pack(">I", 2**31 - 1)),
        lambda stream: frame(frames.HEADERS, frames.END_HEADERS, stream, literal(b"a", b"b")),
        lambda stream: frame(frames.HEADERS, 5, stream, literal(b":path", b"late")),
    ],
    ids=["window", "headers", "trailers"],
)
def test_made_to_reset(spoil: object) -> None:
    """CVE-2025-8671: errors of a stream make the server reset it; those are counted alike."""
    assert callable(spoil)
    flooded = Flooded()
    for stream in range(1, 40_000, 2):
        opened = frame(frames.HEADERS, frames.END_HEADERS, stream, BLOCK)
        if not flooded.send(opened + spoil(stream)):
            break
    assert goaway_code(flooded.server) == frames.ENHANCE_YOUR_CALM
    assert len(flooded.echo.calls) <= 1001


@pytest.mark.parametrize("block", [b"\x84", BLOCK + literal(b"Bad", b"")])
def test_malformed_requests_are_counted_alike(block: bytes) -> None:
    flooded = Flooded()
    for stream in range(1, 40_000, 2):
        if not flooded.send(frame(frames.HEADERS, 5, stream, block)):
            break
    assert goaway_code(flooded.server) == frames.ENHANCE_YOUR_CALM
    assert flooded.server.last_stream < 2100


@pytest.mark.parametrize("fragment", [b"", b"\0", bytes(16_000)])
def test_a_header_block_without_end(fragment: bytes) -> None:
    """CVE-2024-27316: memory and frames are bounded."""
    flooded = Flooded(frame(frames.HEADERS, 0, 1, b""))
    for count in range(1000):  # noqa: B007  # how far it came is asserted
        if not flooded.send(frame(frames.CONTINUATION, 0, 1, fragment)):
            break
    assert goaway_code(flooded.server) == frames.ENHANCE_YOUR_CALM
    assert count <= frames.MAX_CONTINUATIONS
    assert not flooded.echo.calls


def test_header_lists_that_swell() -> None:
    """CVE-2016-6581: one entry of the table, named ten thousand times."""
    entry = b"\x40\x01a" + b"\x7f" + bytes([0x80 | (3000 - 127) & 0x7F, (3000 - 127) >> 7])
    flooded = Flooded()
    flooded.send(frame(frames.HEADERS, 4, 1, BLOCK + entry + b"b" * 3000 + b"\xbe" * 10_000))
    assert goaway_code(flooded.server) == frames.ENHANCE_YOUR_CALM
    assert not flooded.echo.calls


def test_header_fields_without_a_name() -> None:
    """CVE-2019-9516: each costs memory and counts for nothing; here the list's size counts them."""
    flooded = Flooded()
    flooded.send(frame(frames.HEADERS, 4, 1, BLOCK + b"\0\0\0" * 5000))
    assert goaway_code(flooded.server) == frames.ENHANCE_YOUR_CALM
    assert not flooded.echo.calls


def unread(window: int, size: int) -> Flooded:
    """A server with an answer of `size` bytes that may send `window` of them."""
    settings = frame(frames.SETTINGS, 0, 0, struct.pack(">HI", 4, window))
    flooded = Flooded(settings)
    flooded.send(frame(frames.HEADERS, 4, 1, BLOCK))
    flooded.send(frame(frames.DATA, frames.END_STREAM, 1, bytes(size)))
    return flooded


def test_dribble() -> None:
    """CVE-2019-9511: windows that grow a byte at a time make a frame of each byte."""
    unread(0, 1 << 20).flood(frame(frames.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)))


def test_ten_thousand_settings_in_a_frame_are_one_change() -> None:
    """Each would be a pass over all streams."""
    flooded = unread(0, 1000)
    many = struct.pack(">HIHI", 4, 1000, 4, 0) * 1000
    flooded.send(frame(frames.SETTINGS, 0, 0, many + struct.pack(">HI", 4, 5)))
    data = [bytes(each) for each in flooded.server.out]
    assert flooded.server.unsent_bytes == 995
    assert len(data) == 0


def test_windows_wide_enough_are_no_flood() -> None:
    """A client that reads a gigabyte and says so frame by frame is an honest one."""
    update = struct.pack(">I", 16384)
    both = frame(frames.WINDOW_UPDATE, 0, 0, update) + frame(frames.WINDOW_UPDATE, 0, 1, update)
    for _ in range(100):
        flooded = unread(65535, 1 << 20)
        for _ in range(61):
            assert flooded.send(both)
        assert not flooded.server.streams
        assert goaway_code(flooded.server) is None


def test_answers_that_are_not_let_through_are_given_up() -> None:
    """CVE-2019-9517: the stream ends when nothing moved for the timeout, whatever else is sent."""
    flooded = unread(100, 1 << 20)
    assert flooded.server.unsent_bytes == (1 << 20) - 100
    for second in range(61):
        flooded.server.reset_stalled(float(second), 60.0)
        flooded.send(frame(frames.PING, 0, 0, bytes(8)))
        assert flooded.server.streams
        if second % 10 == 0:
            flooded.send(frame(frames.WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)))
    flooded.server.reset_stalled(62.0, 60.0)
    assert not flooded.server.streams
    assert flooded.server.unsent_bytes == 0
    assert not flooded.server.closing
