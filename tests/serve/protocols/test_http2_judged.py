"""Frames on streams in every state, legal and not: our verdict is that of the `h2` library.

Where both are right and differ, the difference has a test of its own at the end, with its reason.
"""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.protocols import http2_frames as frames
from trtserve.protocols.headers import literal
from trtserve.protocols.http2_frames import frame

from tests.serve.protocols.judge import ACCEPTED, REFUSED, Judge, Ours, split

PREFACE = frames.PREFACE + frame(frames.SETTINGS, 0, 0) + frame(frames.SETTINGS, frames.ACK, 0)


def block(path: bytes = b"/x", *more: tuple[bytes, bytes]) -> bytes:
    fields = ((b":path", path), (b":authority", b"a"), *more)
    return b"\x83\x86" + b"".join(itertools.starmap(literal, fields))


LENGTH = (b"content-length", b"4")
INDEXED = b"\x83\x86\x84\x41\x01a\x40\x04name\x05value"  # adds two entries to the table
# Payloads of HEADERS: whole lists, lists that RFC 9113 (section 8) forbids, and no HPACK at all.
BLOCKS = [
    block(), block(b"/never"), block(b"/early"), INDEXED, b"\x83\x86\x84\xbe\xbf",
    block(b"/x", LENGTH), block(b"/never", LENGTH), block(b"/x", (b"te", b"trailers")),
    block(b"/x", (b"te", b"TRAILERS")), block(b"/x", (b"empty", b"")),
    block(b"/x", (b"host", b"a")), block(b"/x", LENGTH, LENGTH), b"\x20" + block(),
    block(b""), block(b"/x", (b"te", b"gzip")), block(b"/x", (b"connection", b"close")),
    block(b"/x", (b"Upper", b"x")), block(b"/x", (b"", b"x")), block(b"/x", (b"a b", b"x")),
    block(b"/x", (b"a:b", b"x")), block(b"/x", (b"\xc3\xa9", b"x")), block(b"/x", (b"a", b" x")),
    block(b"/x", (b"a", b"x\t")), block(b"/x", (b"a", b"x\r\ny: z")), block(b"/x", (b"a", b"\0")),
    block(b"/x", (b"host", b"other")), block(b"/x", (b"host", b"a"), (b"host", b"b")),
    block(b"/x", (b"content-length", b"-1")), block(b"/x", (b"content-length", b"x")),
    block(b"/x", LENGTH, (b"content-length", b"5")), block(b"/x", (b":method", b"GET")),
    block(b"/x", (b"a", b"b"), (b":authority", b"late")), block(b"/x", (b":unknown", b"x")),
    block(b"/x", (b":status", b"200")), b"\x83\x86\x84", b"\x83\x86\x01\x01a", b"\x83\x84\x01\x01a",
    b"\x86\x84\x01\x01a", b"\x83\x86\x84\x01\x00", b"",
    literal(b":method", b"CONNECT") + literal(b":authority", b"a:1"),
    literal(b":method", b"CONNECT") + block()[1:],
    b"\x83\x86\x84\x80", b"\x83\x86\x84\xff\xff\xff\xff\x7f", block()[:-1], b"\x83\x86\x84\xc0",
    b"\x83\x86\x84\x00\x81\xff\x00", b"\x83\x86\x84\x00\x84\xff\xff\xff\xff\x00",
    b"\x83\x86\x84\x3f\xff\xff\x03", block() + b"\x20",
]  # fmt: skip
TRAILERS = [literal(b"a", b"b"), literal(b":path", b"/x"), literal(b"A", b"b"), b"", b"\xff"]
PRIORITY = struct.pack(">IB", 0, 15)
SETTING = [(1, 0), (1, 4096), (2, 0), (2, 1), (2, 2), (3, 0), (4, 0), (4, 65535), (4, 2**31 - 1),
           (4, 2**31), (5, 16384), (5, 16383), (5, 2**24 - 1), (5, 2**24), (6, 0), (8, 1), (8, 2),
           (0x99, 7)]  # fmt: skip
streams = st.sampled_from([1, 1, 1, 3, 3, 5, 0, 2])


def padded(payload: bytes, padding: int) -> bytes:
    return bytes([padding]) + payload + bytes(padding)


@st.composite
def header_frames(draw: st.DrawFn) -> bytes:
    """A header block in one frame or several, with padding and priority that may lie."""
    stream = draw(streams)
    payload = draw(st.sampled_from([*BLOCKS, *BLOCKS[:8] * 3, *TRAILERS]))
    flags = draw(st.sampled_from([0, frames.END_STREAM]))
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(payload)))
        head = frame(frames.HEADERS, flags, stream, payload[:cut])
        end = draw(st.sampled_from([frames.END_HEADERS] * 4 + [0]))
        last = draw(st.sampled_from([stream] * 5 + [7]))
        return head + frame(frames.CONTINUATION, end, last, payload[cut:])
    flags |= frames.END_HEADERS
    if draw(st.integers(0, 3)) == 0:
        flags |= frames.PRIORITIZED
        depends = draw(st.sampled_from([0, 9]))
        payload = struct.pack(">IB", depends, 15) + payload
    if draw(st.integers(0, 3)) == 0:
        flags |= frames.PADDED
        payload = draw(st.sampled_from([padded(payload, 3), padded(payload, 0), b"\xff" + payload]))
    return frame(frames.HEADERS, flags, stream, payload)


@st.composite
def data_frames(draw: st.DrawFn) -> bytes:
    payload = draw(st.sampled_from([b"", b"1234", b"12345", b"12", bytes(20_000)]))
    flags = draw(st.sampled_from([0, frames.END_STREAM]))
    if draw(st.booleans()):
        flags |= frames.PADDED
        payload = draw(
            st.sampled_from([padded(payload, 3), padded(payload, 0), b"", b"\xff" + payload[:9]])
        )
    return frame(frames.DATA, flags, draw(streams), payload)


@st.composite
def control_frames(draw: st.DrawFn) -> bytes:
    kind = draw(st.sampled_from([
        frames.PRIORITY, frames.RST_STREAM, frames.SETTINGS, frames.PING, frames.WINDOW_UPDATE,
        frames.PUSH_PROMISE, frames.CONTINUATION, 0x77,
    ]))  # fmt: skip
    stream, flags = draw(streams), draw(st.sampled_from([0, 0, 1, 4, 0xFF]))
    if kind == frames.SETTINGS:
        stream = draw(st.sampled_from([0, 0, 0, 1]))
        given = draw(st.lists(st.sampled_from(SETTING), max_size=3, unique_by=lambda s: s[0]))
        payload = b"".join(itertools.starmap(struct.Struct(">HI").pack, given))
        return frame(kind, draw(st.sampled_from([0, 0, 1])), stream, payload)
    good = {
        frames.PRIORITY: [PRIORITY, struct.pack(">IB", 1, 0)],
        frames.RST_STREAM: [struct.pack(">I", frames.CANCEL)],
        frames.PING: [b"12345678"],
        frames.WINDOW_UPDATE: [struct.pack(">I", n) for n in (0, 1, 2**16, 2**31 - 1)],
        frames.PUSH_PROMISE: [struct.pack(">I", 2) + block()],
        frames.CONTINUATION: [block()],
    }.get(kind, [b"anything"])
    if kind == frames.PUSH_PROMISE:
        flags |= frames.END_HEADERS  # h2 would wait for the rest of the block
    if kind == frames.PING:
        stream = draw(st.sampled_from([0, 0, 0, 1]))
    return frame(kind, flags, stream, draw(st.sampled_from([*good * 4, b"", b"123", b"1234567"])))


def compare(pieces: list[bytes]) -> None:
    ours, judge = Ours(), Judge()
    assert ours.receive(PREFACE) == judge.receive(PREFACE) == ACCEPTED
    for piece in pieces:
        verdict, right = ours.receive(piece), judge.receive(piece)
        if verdict == REFUSED and judge.waits_on:  # h2 judges a block when it has all of it
            right = judge.receive(frame(frames.CONTINUATION, frames.END_HEADERS, judge.waits_on))
        assert verdict == right, f"we {verdict} what h2 {right}: {piece[:60]!r}"
        if REFUSED in (verdict, right):
            return  # after an error the two may say it of the stream or of the connection


def differ(pieces: list[bytes]) -> bool:
    """Whether one of the differences below may decide."""
    opened = 0
    measured = set()
    for piece in pieces:
        stream = int.from_bytes(piece[5:9], "big")
        if piece[3] == frames.HEADERS:
            opened = max(opened, stream)
            if b"content-length" in b"".join(payload for *_, payload in split(piece)):
                measured.add(stream)
            if piece[4] & frames.END_STREAM and stream in measured:
                return True
        elif piece[3] == frames.RST_STREAM and (stream > opened or stream % 2 == 0):
            return True
    return False


@settings(max_examples=700, deadline=None)
@given(st.lists(st.one_of(header_frames(), data_frames(), control_frames()), max_size=10)
       .filter(lambda pieces: not differ(pieces)))  # fmt: skip
def test_any_frames_get_the_verdict_of_h2(pieces: list[bytes]) -> None:
    compare(pieces)


@pytest.mark.parametrize("kind", range(10))
@pytest.mark.parametrize("state", ["idle", "open", "half-closed", "answered", "reset", "early"])
def test_every_frame_type_on_every_stream_state(kind: int, state: str) -> None:
    first = {
        "idle": [], "open": [frame(frames.HEADERS, 4, 1, block())],
        "half-closed": [frame(frames.HEADERS, 5, 1, block(b"/never"))],
        "answered": [frame(frames.HEADERS, 5, 1, block())],
        "reset": [frame(frames.HEADERS, 4, 1, block()), frame(frames.RST_STREAM, 0, 1, bytes(4))],
        "early": [frame(frames.HEADERS, 4, 1, block(b"/early"))],
    }[state]  # fmt: skip
    payload = {
        frames.DATA: b"data", frames.HEADERS: block(), frames.PRIORITY: PRIORITY,
        frames.RST_STREAM: bytes(4), frames.PUSH_PROMISE: b"\0\0\0\2" + block(),
        frames.PING: bytes(8), frames.GOAWAY: bytes(8), frames.WINDOW_UPDATE: b"\0\0\0\1",
    }.get(kind, b"")  # fmt: skip
    for flags in (0, 1, 4, 5):
        for stream in (0, 1):
            last = frame(kind, flags, stream, payload)
            if kind == frames.PUSH_PROMISE and not flags & 4:
                continue  # h2 waits for the rest before it judges
            if not differ([*first, last]):
                compare([*first, last])


PIECES = st.lists(st.integers(1, 30), min_size=1, max_size=40)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(header_frames(), data_frames(), control_frames()), max_size=8), PIECES)
def test_torn_frames_get_the_verdict_of_whole_ones(pieces: list[bytes], cuts: list[int]) -> None:
    whole, torn = Ours(), Ours()
    data = PREFACE + b"".join(pieces)
    verdict = whole.receive(data)
    verdicts, start = set(), 0
    for size in itertools.cycle(cuts):
        verdicts.add(torn.receive(data[start : start + size]))
        start += size
        if start >= len(data):
            break
    assert (REFUSED in verdicts) == (verdict == REFUSED)
    assert torn.goaway == whole.goaway


# Where we differ from h2 and are right


def verdicts(*pieces: bytes) -> tuple[str, str]:
    """Ours and h2's."""

    def of(server: Ours | Judge) -> str:
        found = [server.receive(piece) for piece in (PREFACE, *pieces)]
        return REFUSED if REFUSED in found else ACCEPTED

    return of(Ours()), of(Judge())


def test_a_reset_of_an_idle_stream_is_an_error() -> None:
    """RFC 9113, section 6.4: MUST be treated as a connection error; h2 overlooks it."""
    opened = frame(frames.HEADERS, 4, 1, block())
    assert verdicts(opened, frame(frames.RST_STREAM, 0, 3, bytes(4))) == (REFUSED, ACCEPTED)


def test_a_content_length_must_be_true_without_data_too() -> None:
    """RFC 9113, section 8.1.1: malformed; h2 compares only where DATA ends the request."""
    opened = frame(frames.HEADERS, 4, 1, block(b"/x", LENGTH))
    assert verdicts(frame(frames.HEADERS, 5, 1, block(b"/x", LENGTH))) == (REFUSED, ACCEPTED)
    assert verdicts(opened, frame(frames.HEADERS, 5, 1, TRAILERS[0])) == (REFUSED, ACCEPTED)


def test_the_reserved_bit_of_an_increment_is_ignored() -> None:
    """RFC 9113, section 6.9: the bit MUST be ignored; h2 refuses it."""
    reserved = frame(frames.WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 + 1))
    assert verdicts(reserved) == (ACCEPTED, REFUSED)


def test_a_setting_is_judged_wherever_it_stands() -> None:
    """RFC 9113, section 6.5.3: values are processed in order; h2 keeps the last of a kind."""
    twice = struct.pack(">HIHI", 2, 2, 2, 0)
    assert verdicts(frame(frames.SETTINGS, 0, 0, twice)) == (REFUSED, ACCEPTED)


def test_a_client_that_says_goaway_may_finish() -> None:
    """RFC 9113, section 6.8: streams that are open go on; h2 takes nothing more."""
    goaway = frame(frames.GOAWAY, 0, 0, bytes(8))
    opened = frame(frames.HEADERS, 4, 1, block())
    assert verdicts(opened, goaway, frame(frames.DATA, 1, 1, b"x")) == (ACCEPTED, REFUSED)


def test_a_header_block_has_an_end() -> None:
    """Ours to choose: 32 CONTINUATION frames, h2 takes 64."""
    parts = [frame(frames.CONTINUATION, 0, 1, b"\x20")] * 40
    assert verdicts(frame(frames.HEADERS, 0, 1, block()), *parts) == (REFUSED, ACCEPTED)
