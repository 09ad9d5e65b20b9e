"""One end of what connects the server with a model's process: wake-ups by socket, data by slab.

Each batch is one fixed-size message on a socket (`_HEADER`), which also wakes the other side. Its
tensors lie in the sender's slab, which the receiver has mapped. A sender that needs a larger slab,
or whose slab the receiver still looks into, makes a new one and sends its file descriptor ahead.
One side speaks, then the other: a slab is free for reuse once the answer is there.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar, cast

import numpy as np

from trtserve.backends.python import slab
from trtserve.backends.python.layout import Part, Reader, Run, Signature, Writer
from trtserve.polling import WINDOW_NS, give_way

T = TypeVar("T")

_HEADER = struct.Struct("<BBxxxxxxQ")  # kind, whether the last batch is still in use, bytes used
_SLAB_FOLLOWS = 0
_BEGUN_AT = 7  # in a slab: 1 once its reader has begun; the top byte of layout's first number
_SMALLEST_SLAB_BYTES = 1 << 20
_ROOMY_BATCHES = 100  # before a slab far too large is given back
# Up to here one join and one copy beat a copy for each tensor. Measured: equal at 100 to 400 KB.
_JOIN_BYTES = 1 << 17
_NOTE = Signature((), (), note=True)


class PeerGoneError(Exception):
    """The process at the other end has closed the channel, most likely by ending.

    unread: it has not begun with what was sent to it last.
    """

    def __init__(self, *, unread: bool) -> None:
        super().__init__()
        self.unread = unread


class Received(NamedTuple):
    """What came: its kind, its messages, and the memory they lie in."""

    kind: int
    kept: bool  # the peer still looks into what was sent to it last
    runs: list[Run]
    memory: slab.Bytes
    used_bytes: int

    def note(self) -> str:
        """The text of a message that is a note."""
        _, (start,), _, (size,) = self.runs[0]
        return self.memory[start : start + size].tobytes().decode()


class Channel:
    """One end. Not thread-safe."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._fd = connection.fileno()
        self._writer, self._reader = Writer(), Reader()
        self._mine: slab.Slab | None = None
        self._theirs: slab.Slab | None = None
        self._roomy = 0  # batches since the slab was last in proportion

    def put(self, messages: Sequence[tuple[Signature, Sequence[Part]]]) -> int:
        """Copy a batch into shared memory; how many bytes it takes, for `signal`.

        Raises `PeerGoneError`; `ValueError` where data and signature differ, which ends the
        channel's use: what was laid out counts as told.
        """
        parts, used = self._writer.lay_out(messages)
        mine = self._slab_for(used)
        if used <= _JOIN_BYTES:  # arrays are buffers too, say their stubs from Python 3.12 on
            written = mine.write(b"".join(cast("list[bytes]", parts)))
        else:
            written = _copy(parts, mine.window())
        if written != used:
            raise ValueError(f"{written} bytes of tensors where there should be {used}")
        return used

    def put_note(self, text: str) -> int:
        """As `put`, a text."""
        return self.put([(_NOTE, [text.encode(errors="replace")])])

    def signal(self, kind: int, used: int, *, kept: bool = False) -> None:
        """Tell the peer what was put. `kept`: what it sent last must not be written over."""
        self._write(_HEADER.pack(kind, kept, used))

    def send_note(self, kind: int, text: str) -> None:
        """Send a text. Raises `PeerGoneError`."""
        self.signal(kind, self.put_note(text))

    def _write(self, data: bytes) -> None:
        try:
            os.write(self._fd, data)
        except (BrokenPipeError, ConnectionResetError):
            raise PeerGoneError(unread=True) from None

    def stay_awake(self, now_ns: int) -> None:
        """Wait for the peer, up to the window, without sleeping."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        end_ns = now_ns + WINDOW_NS
        while not poller.poll(0) and time.monotonic_ns() < end_ns:
            give_way()

    def receive(self) -> Received:
        """Wait for what the peer sends. Raises `PeerGoneError`."""
        try:
            try:
                header = os.read(self._fd, _HEADER.size)
            except BlockingIOError:
                header = self._waiting(lambda: os.read(self._fd, _HEADER.size))
            if not header:
                raise self._peer_gone()
            kind, kept, used = _HEADER.unpack(header)
            if kind == _SLAB_FOLLOWS:
                self._theirs = self._receive_slab()
                return self.receive()
        except ConnectionResetError:
            raise self._peer_gone() from None
        if kept:
            self._mine = None
        assert self._theirs is not None
        runs = self._reader.read(self._theirs.bytes[:used])
        self._theirs.bytes[_BEGUN_AT] = 1
        return Received(kind, bool(kept), runs, self._theirs.window(), used)

    def _waiting(self, read: Callable[[], T]) -> T:
        """What `read` gives, once it does: event loops make the sockets they watch non-blocking."""
        while True:
            try:
                return read()
            except BlockingIOError:
                poller = select.poll()
                poller.register(self._fd, select.POLLIN)
                poller.poll()

    def _peer_gone(self) -> PeerGoneError:
        # That a message was read would not do: a process may be killed in the midst of read(2).
        return PeerGoneError(unread=self._mine is not None and not self._mine.bytes[_BEGUN_AT])

    def _slab_for(self, size: int) -> slab.Slab:
        # Powers of two: a growing batch size makes few new slabs.
        room = max(_SMALLEST_SLAB_BYTES, 1 << (size - 1).bit_length())
        if self._mine is None or self._mine.size < size or self._is_oversized(room):
            self._mine, fd = slab.create(room)
            try:
                self._write(_HEADER.pack(_SLAB_FOLLOWS, 0, 0))
                socket.send_fds(self._socket, [b"\0"], [fd])
            except (BrokenPipeError, ConnectionResetError):
                raise PeerGoneError(unread=True) from None
            finally:
                os.close(fd)
        return self._mine

    def _is_oversized(self, room: int) -> bool:
        """Whether the slab has long been far larger than needed: one huge batch must not stay."""
        assert self._mine is not None
        self._roomy = self._roomy + 1 if self._mine.size > 8 * room else 0
        return self._roomy > _ROOMY_BATCHES

    def _receive_slab(self) -> slab.Slab:
        _, fds, _, _ = self._waiting(lambda: socket.recv_fds(self._socket, 1, 1))
        if not fds:
            raise self._peer_gone()
        return slab.attach(fds[0])

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
        self._mine = self._theirs = None


def _copy(parts: Sequence[Part], memory: slab.Bytes) -> int:
    """Copy by NumPy, which lets other threads run meanwhile."""
    at = 0
    for part in parts:
        if part.nbytes if isinstance(part, np.ndarray) else len(part):
            data = np.frombuffer(part, np.uint8)
            memory[at : at + len(data)] = data
            at += len(data)
    return at
