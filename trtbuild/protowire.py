"""Protobuf's wire format, read without protobuf: which fields a message has, and where.

For files that may be gigabytes large and must be judged without importing a framework.
Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_FIXED_BYTES = {FIXED64: 8, FIXED32: 4}
_MAX_VARINT_BYTES = 10

Buffer = bytes | mmap.mmap


class WireError(ValueError):
    """The bytes are not a protobuf message, or one that was cut off."""


class Field(NamedTuple):
    """One field: `buffer[start:end]` is its payload; of a varint, `value` is the number."""

    number: int
    wire: int
    start: int
    end: int
    value: int = 0


def fields(buffer: Buffer, start: int = 0, end: int | None = None) -> Iterator[Field]:
    """The fields of the message at `buffer[start:end]`, in order; payloads are not read.

    Raises `WireError` where the bytes stop being a protobuf message.
    """
    end = len(buffer) if end is None else end
    while start < end:
        key, start = _varint(buffer, start, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise WireError(f"field number 0 at byte {start}")
        value = 0
        if wire == VARINT:
            value, stop = _varint(buffer, start, end)
        elif wire == LENGTH:
            size, start = _varint(buffer, start, end)
            stop = start + size
        elif wire in _FIXED_BYTES:
            stop = start + _FIXED_BYTES[wire]
        else:
            raise WireError(f"wire type {wire} at byte {start}")
        if stop > end:
            raise WireError(f"field {number} lacks {stop - end} bytes")
        yield Field(number, wire, start, stop, value)
        start = stop


def _varint(buffer: Buffer, start: int, end: int) -> tuple[int, int]:
    """The number at `start`, and where the next thing begins."""
    value = 0
    for index in range(start, min(end, start + _MAX_VARINT_BYTES)):
        byte = buffer[index]
        value |= (byte & 0x7F) << (7 * (index - start))
        if byte < 0x80:
            return value, index + 1
    raise WireError(f"a number that does not end at byte {start}")


def message_bytes(number: int, payload: bytes) -> bytes:
    """The field `number` that holds `payload`, encoded."""
    return key_bytes(number, len(payload)) + payload


def key_bytes(number: int, length: int) -> bytes:
    """What comes before a payload of `length` bytes of the field `number`."""
    return varint_bytes(number << 3 | LENGTH) + varint_bytes(length)


def varint_bytes(value: int) -> bytes:
    """A number that is not negative, encoded."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
