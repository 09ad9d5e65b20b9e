"""One HTTP/2 stream's sending half: frames now where windows allow it, later where not."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trtserve.protocols.own import own
from trtserve.protocols.pace import Pace
from trtserve.request import Buffer

if TYPE_CHECKING:
    from trtserve.protocols.http2_streams import Receiver, Streams

_DATA, _HEADERS = 0, 1
_END_STREAM, _END_HEADERS = 0x1, 0x4


def _head(length: int, type_: int, flags: int, stream: int) -> bytes:
    return b"%c%c%c%c%c" % (length >> 16, length >> 8 & 0xFF, length & 0xFF, type_, flags) + (
        stream.to_bytes(4, "big")
    )


class _Nobody:
    """Who receives what comes on a stream that is over: stream and call must not hold each other.

    What a call holds, tensors among it, would stay until the garbage collector finds the two.
    """

    unfinished = False
    received_bytes = 0

    def data(self, data: memoryview) -> None:
        pass

    def space(self) -> memoryview | None:
        return None

    def filled(self, count: int) -> None:
        pass

    def end(self) -> None:
        pass

    def reset(self) -> None:
        pass

    def settle(self) -> None:
        pass


NOBODY = _Nobody()


class Stream:
    """A request's stream. `send_*` queue what the peer's windows do not yet allow."""

    __slots__ = (
        "_connection", "_ends", "_pace", "_put_bytes", "body_left", "id", "local_closed", "pending",
        "receive_window", "receiver", "remote_closed", "send_window", "unsent_bytes",
    )  # fmt: skip

    receiver: Receiver

    def __init__(
        self, connection: Streams, id_: int, send_window: int, receive_window: int
    ) -> None:
        self._connection = connection
        self.id = id_
        self.send_window = send_window
        self.receive_window = receive_window
        self.remote_closed = False
        self.local_closed = False  # all was said; it may still be waiting in `pending`
        self.pending: deque[memoryview] = deque()
        self.unsent_bytes = 0  # of `pending`
        self._put_bytes = 0  # of all that ever was in `pending`
        self._ends: bytes | None = None  # the trailers' block, once it was given
        self._pace: Pace | None = None
        self.body_left = -1  # of what content-length says; -1: it says nothing

    def send_headers(self, block: bytes, *, end: bool = False) -> None:
        """The response's header block; `end`: there is nothing behind it."""
        flags = _END_HEADERS | (_END_STREAM if end else 0)
        self._put_block(flags, block)
        if end:
            self.local_closed = True
            self._over()
        self._connection.wake()

    def send_data(self, parts: Sequence[Buffer]) -> None:
        """Some of the response's body; more may follow."""
        self.pending.extend(memoryview(part).cast("B") for part in parts if len(part))
        count = sum(map(len, parts))
        self.unsent_bytes += count
        self._put_bytes += count
        self._connection.unsent_bytes += count
        self.pump()
        self._connection.wake()

    def send_trailers(self, block: bytes) -> None:
        """What ends the response, after all data."""
        self.local_closed = True
        self._ends = block
        self.pump()
        self._connection.wake()

    def respond(self, headers: bytes, parts: Sequence[Buffer], trailers: bytes) -> None:
        """A whole response. One pass where it fits the peer's windows, as nearly always."""
        connection = self._connection
        length = sum(map(len, parts))
        if (
            length > connection.peer_max_frame
            or length > self.send_window
            or length > connection.send_window
            or connection.table_update
        ):
            self.send_headers(headers)
            self.send_data(parts)
            self.send_trailers(trailers)
            return
        connection.send_window -= length
        id_ = self.id.to_bytes(4, "big")
        self.local_closed = True
        connection.out += (
            b"%c%c%c\x01\x04%b%b%c%c%c\x00\x00%b"
            % (
                0, len(headers) >> 8, len(headers) & 0xFF, id_, headers,
                length >> 16, length >> 8 & 0xFF, length & 0xFF, id_,
            ),
            *parts,
            b"%c%c%c\x01\x05%b%b" % (0, len(trailers) >> 8, len(trailers) & 0xFF, id_, trailers),
        )  # fmt: skip
        self._over()
        connection.wake()

    def pump(self) -> None:
        """Send what waits, as far as windows allow."""
        connection = self._connection
        pending = self.pending
        while pending:
            allowed = min(self.send_window, connection.send_window, connection.peer_max_frame)
            if allowed <= 0:
                return
            part = pending.popleft()
            if len(part) > allowed:
                sent = self._send_full_frames(part) or allowed
                pending.appendleft(part[sent:])
                if sent > allowed:
                    continue
                part = part[:allowed]
            self.send_window -= len(part)
            connection.send_window -= len(part)
            self.unsent_bytes -= len(part)
            connection.unsent_bytes -= len(part)
            connection.out += (_head(len(part), _DATA, 0, self.id), part)
        if self._ends is not None:
            block, self._ends = self._ends, None
            self._put_block(_END_HEADERS | _END_STREAM, block)
            self._over()

    def _put_block(self, flags: int, block: bytes) -> None:
        connection = self._connection
        if connection.table_update:  # must begin the next block, whichever that is
            block, connection.table_update = connection.table_update + block, b""
        connection.out += (_head(len(block), _HEADERS, flags, self.id), block)

    def _send_full_frames(self, part: memoryview) -> int:
        """Send the start of a large part in frames of the largest size; how much that was.

        0 where that is one frame or none.
        """
        connection = self._connection
        size = connection.peer_max_frame
        count = min(self.send_window, connection.send_window, len(part)) // size
        if count < 2:
            return 0
        head = _head(size, _DATA, 0, self.id)
        out = connection.out
        for start in range(0, count * size, size):
            out += (head, part[start : start + size])
        self.send_window -= count * size
        connection.send_window -= count * size
        self.unsent_bytes -= count * size
        connection.unsent_bytes -= count * size
        return count * size

    def abandon(self) -> None:
        """Nothing comes and nothing goes any more."""
        self.local_closed = self.remote_closed = True
        self._connection.unsent_bytes -= self.unsent_bytes
        self.unsent_bytes = 0
        self.pending.clear()

    def dismiss(self) -> None:
        """Its receiver hears that it is over, and is let go."""
        receiver, self.receiver = self.receiver, NOBODY
        receiver.reset()

    def give_up(self, code: int) -> None:
        """Reset it; its receiver hears of it."""
        self._connection.reset(self, code)
        self._connection.wake()

    def stalled(self, now: float, timeout_s: float) -> bool:
        """Whether the peer goes on too slowly with its request, or with letting the answer go."""
        if not self.remote_closed and self.receiver.unfinished:
            self.receiver.settle()
            what, moved = "request", self.receiver.received_bytes
        elif self.pending:
            self.pending = deque(map(own, self.pending))
            what, moved = "answer", self._put_bytes - self.unsent_bytes
        else:
            self._pace = None
            return False
        self._pace = self._pace or Pace()
        return self._pace.stalled(what, moved, now, timeout_s)

    def _over(self) -> None:
        if self.remote_closed:
            self._connection.forget(self)
        else:
            self._connection.finished_early(self)
