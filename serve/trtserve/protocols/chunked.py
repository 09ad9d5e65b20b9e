"""A chunked body (RFC 9112, section 7.1), taken apart without I/O.

Extensions and trailers are read and dropped, both bounded: a flood of tiny chunks was how one
server of this kind was overrun (CVE-2025-23310), so chunks are counted too.
"""

from __future__ import annotations

import re

MAX_CHUNKS = 65_536
_MAX_LINE_BYTES = 4096
_MAX_TRAILER_BYTES = 16 * 1024
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:")
_HEX = frozenset(b"0123456789abcdefABCDEF")


class ChunkedBody:
    """Collects the chunks of one body; `done` once its last empty line was read."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._body = bytearray()  # one: a list of bytes that came one by one would be 40 times it
        self._left = -1  # bytes of the current chunk with its CRLF; -1: a size line is next
        self._count = 0
        self._trailer_bytes = -1  # -1: not in the trailers yet
        self.size = 0
        self.done = False

    def body(self) -> memoryview:
        """All chunks as one."""
        return memoryview(self._body)

    @property
    def received(self) -> int:
        """Bytes of the body so far; `size` also counts what the current chunk still promises."""
        return len(self._body)

    def receive(self, data: bytes) -> bytes:
        """Take as much of `data` as belongs to the body and return the rest.

        The rest is an unfinished line, or what follows the body. Raises `ValueError`.
        """
        offset = 0
        while not self.done and self.size <= self._max_bytes:
            if self._left > 0:
                taken = self._take(data, offset)
                if taken == offset:
                    break
                offset = taken
                continue
            end = data.find(b"\r\n", offset)
            if end < 0:
                if len(data) - offset > _MAX_LINE_BYTES:
                    raise ValueError(f"a line is longer than {_MAX_LINE_BYTES} bytes")
                break
            self._line(data[offset:end])
            offset = end + 2
        return data[offset:]

    def _take(self, data: bytes, offset: int) -> int:
        """Bytes of the current chunk; its CRLF only as a whole. Returns the new offset."""
        payload = self._left - 2
        if payload:
            part = data[offset : offset + payload]
            self._body += part
            self._left -= len(part)
            return offset + len(part)
        if len(data) - offset < 2:
            return offset
        if data[offset : offset + 2] != b"\r\n":
            raise ValueError("a chunk does not end where its size says")
        self._left = -1
        return offset + 2

    def _line(self, line: bytes) -> None:
        if len(line) > _MAX_LINE_BYTES:
            raise ValueError(f"a line is longer than {_MAX_LINE_BYTES} bytes")
        if b"\n" in line or b"\r" in line or b"\0" in line:
            # Others take a bare LF for the end of the line, and go on to read another request.
            raise ValueError("a line holds what should end it, or a NUL")
        if self._trailer_bytes >= 0:
            if line and not _TRAILER.match(line):
                raise ValueError(f"{line[:20]!r} is no trailer")
            self._trailer_bytes += len(line)
            if self._trailer_bytes > _MAX_TRAILER_BYTES:
                raise ValueError(f"trailers are larger than {_MAX_TRAILER_BYTES} bytes")
            self.done = not line
            return
        digits, extended, _ = line.partition(b";")
        if extended:
            digits = digits.rstrip(b" \t")
        if not digits or len(digits) > 15 or not _HEX.issuperset(digits):
            raise ValueError(f"{digits[:20]!r} is no chunk size")
        size = int(digits, 16)
        if size == 0:
            self._trailer_bytes = 0
            return
        self._count += 1
        if self._count > MAX_CHUNKS:
            raise ValueError(f"more than {MAX_CHUNKS} chunks")
        self.size += size
        self._left = size + 2
