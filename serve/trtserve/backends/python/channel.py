"""One end of what connects the server with a model's process: wake-ups by socket, data by slab.

Each batch is one fixed-size message on a socket (`_HEADER`), which also wakes the other side. Its
tensors lie in the sender's slab, which the receiver has mapped. A sender that needs a larger slab,
or whose slab the receiver still looks into, makes a new one and sends its file descriptor ahead.
One side speaks, then the other: a slab is free for reuse once the answer is there.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trtserve.backends.python import slab
from trtserve.backends.python.layout import Message, Part, Reader, Signature, Writer

_HEADER = struct.Struct("<BBxxxxxxQ")  # kind, whether the last batch is still in use, bytes used
_SLAB_FOLLOWS = 0
_SMALLEST_SLAB_BYTES = 1 << 20
# Up to here one join and one copy beat a copy for each tensor. Measured: equal at 100 to 400 KB.
_JOIN_BYTES = 1 << 17
_NOTE = Signature((), (), note=True)


class PeerGoneError(Exception):
    """The process at the other end has closed the channel, most likely by ending."""


class TooLargeError(Exception):
    """A batch needs more shared memory than is allowed."""

    def __init__(self, needed_bytes: int, limit_bytes: int) -> None:
        super().__init__(
            f"a batch of {needed_bytes} bytes exceeds the {limit_bytes} bytes that a Python "
            "model's process may share with the server"
        )


class Received(NamedTuple):
    """What came: its kind, its messages, and the memory they lie in."""

    kind: int
    kept: bool  # the peer still looks into what was sent to it last
    messages: list[Message]
    memory: slab.Bytes
    used_bytes: int

    def note(self) -> str:
        """The text of a message that is a note."""
        _, base, _, sizes = self.messages[0]
        return self.memory[base : base + sizes[0]].tobytes().decode()


class Channel:
    """One end. Not thread-safe."""

    def __init__(self, connection: socket.socket, limit_bytes: int) -> None:
        self._socket = connection
        self._fd = connection.fileno()
        self._limit_bytes = limit_bytes
        self._writer, self._reader = Writer(), Reader()
        self._mine: slab.Slab | None = None
        self._theirs: slab.Slab | None = None

    def send(
        self,
        kind: int,
        messages: Sequence[tuple[Signature, Sequence[Part]]],
        *,
        kept: bool = False,
    ) -> None:
        """Send a batch. Raises `PeerGoneError`."""
        parts = self._writer.lay_out(messages)
        used = sum(map(_byte_count, parts))
        try:
            mine = self._slab_for(used)
            if used <= _JOIN_BYTES:
                mine.write(b"".join(parts))
            else:
                _copy(parts, mine.window())
            os.write(self._fd, _HEADER.pack(kind, kept, used))
        except (BrokenPipeError, ConnectionResetError):
            raise PeerGoneError from None

    def check(self, data_bytes: int, messages: int) -> None:
        """Raise `TooLargeError` where so much data may not be sent.

        `send` cannot say so itself: once laid out, the batch's signatures count as told.
        """
        # Room for the head of the batch: it takes a few numbers a message.
        if data_bytes + 4096 * (messages + 1) > self._limit_bytes:
            raise TooLargeError(data_bytes, self._limit_bytes)

    def send_note(self, kind: int, text: str) -> None:
        """Send a text. Raises `PeerGoneError`."""
        self.send(kind, [(_NOTE, [text.encode()])])

    def receive(self) -> Received:
        """Wait for what the peer sends. Raises `PeerGoneError`."""
        try:
            header = os.read(self._fd, _HEADER.size)
            if not header:
                raise PeerGoneError
            kind, kept, used = _HEADER.unpack(header)
            if kind == _SLAB_FOLLOWS:
                self._theirs = self._receive_slab()
                return self.receive()
        except ConnectionResetError:
            raise PeerGoneError from None
        if kept:
            self._mine = None
        assert self._theirs is not None
        memory = self._theirs.window()
        return Received(kind, bool(kept), self._reader.read(memory), memory, used)

    def _slab_for(self, size: int) -> slab.Slab:
        if self._mine is None or self._mine.size < size:
            # Powers of two: a growing batch size makes few new slabs.
            room = max(_SMALLEST_SLAB_BYTES, 1 << (size - 1).bit_length())
            self._mine, fd = slab.create(room)
            try:
                os.write(self._fd, _HEADER.pack(_SLAB_FOLLOWS, 0, 0))
                socket.send_fds(self._socket, [b"\0"], [fd])
            finally:
                os.close(fd)
        return self._mine

    def _receive_slab(self) -> slab.Slab:
        _, fds, _, _ = socket.recv_fds(self._socket, 1, 1)
        if not fds:
            raise PeerGoneError
        return slab.attach(fds[0])

    def close(self) -> None:
        """Close this end."""
        self._socket.close()
        self._mine = self._theirs = None


def _byte_count(part: Part) -> int:
    return part.nbytes if isinstance(part, np.ndarray | memoryview) else len(part)


def _copy(parts: Sequence[Part], memory: slab.Bytes) -> None:
    """Copy by NumPy, which lets other threads run meanwhile."""
    at = 0
    for part in parts:
        size = _byte_count(part)
        if size:
            memory[at : at + size] = np.frombuffer(part, np.uint8)
        at += size
