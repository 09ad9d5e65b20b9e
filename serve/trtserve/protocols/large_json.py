"""Large JSON requests: taken apart without an object for every other byte, and a piece at a time.

A parser may make 36 times the memory of a text, and nothing else runs while it does: 64 MiB of
`[],` were 2.4 GB and 13 seconds. What makes honest requests large are numbers. So their arrays are
cut out of the text, unread, and become tensors piece by piece; what is left may hold a bounded
number of values. All of these are generators: between two of their steps others have their turn.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Generator, Sequence
from typing import Any

import numpy as np

from trtserve.errors import ServeError, invalid
from trtserve.protocols import json_fields
from trtserve.request import CallInput
from trtserve.tensors import MAX_DEPTH, element_count, shape_text, wire_from_json

LARGE_BYTES = 256 * 1024  # what is smaller is parsed in a few milliseconds
_MAX_VALUES = 250_000  # beside arrays of numbers: parsed and made a tensor in about 0.2 s
_MAX_ARRAYS = 4096
_LEAST_BYTES = 1024  # smaller arrays are left where they are
_PIECE_BYTES = 64 * 1024  # some 2 ms of work
_LOOK_BYTES = 1 << 20
_COLON = re.compile(rb"[ \t\r\n]*:[ \t\r\n]*(?=\[)")
_NO_STRINGS = re.compile(rb'[^"{}]*')
# Stands in for an array that was cut out; nobody else can know it.
_KEY = secrets.token_hex(16)
_WITHOUT_BRACKETS = bytes.maketrans(b"[]", b"  ")
_CLASSES = bytes(byte if byte in b"[]," else ord("1") for byte in range(256))
_NEVER_TOGETHER = (b"[]", b"[,", b",,", b",]", b"][", b"]1", b"1[")

Steps = Generator[int, None, Any]  # yields 0, or how many bytes the request is about to hold


class Numbers:
    """An array of numbers, nested or not, as a part of a JSON text."""

    def __init__(self, text: bytes, start: int, end: int) -> None:
        self._text, self._start, self._end = text, start, end

    def tensor(self, dtype: str, shape: tuple[int, ...], name: str) -> Steps:
        """The tensor in wire form. Raises `ServeError`."""
        yield from self._check(element_count(shape, name), shape, name)
        wire = bytearray()
        at = self._start
        while at < self._end:
            cut = self._text.find(b",", at + _PIECE_BYTES, self._end)
            cut = self._end if cut < 0 else cut
            values = json_fields.parsed(b"[%b]" % self._text[at:cut].translate(_WITHOUT_BRACKETS))
            wire += wire_from_json(values, dtype, (len(values),), name)
            at = cut + 1
            yield 0
        return wire

    def _check(self, count: int, shape: tuple[int, ...], name: str) -> Steps:
        """Brackets and commas are those of nested arrays with `count` elements."""
        commas = depth = 0
        last = b""
        for start in range(self._start, self._end, _PIECE_BYTES):
            end = min(start + _PIECE_BYTES, self._end)
            signs = self._text[start:end].translate(_CLASSES, b" \t\r\n")
            if any(pair in last + signs for pair in _NEVER_TOGETHER):
                raise _broken(name)
            commas += signs.count(b",")
            if commas > count:
                break
            depth = _depth(signs, depth, name, ends=end == self._end)
            last = signs[-1:] or last
            yield 0
        if commas + 1 != count:
            more = " or more" if commas > count else ""
            raise invalid(
                f"input '{name}' of shape {shape_text(shape)} needs {count} elements in 'data', "
                f"got {commas + 1}{more}"
            )


def _depth(signs: bytes, depth: int, name: str, *, ends: bool) -> int:
    """How deep the array is behind `signs`; only where it `ends`, and nowhere before, it is 0."""
    brackets = np.frombuffer(signs.translate(None, b"1,"), np.uint8)
    levels = depth + np.cumsum(np.where(brackets == ord("["), 1, -1))
    if len(levels) and levels.max() > MAX_DEPTH:
        raise invalid(f"input '{name}': 'data' is nested deeper than {MAX_DEPTH} arrays")
    if ends and (not len(levels) or levels[-1] != 0):
        raise _broken(name)
    inner = levels[:-1] if ends else levels
    if len(inner) and inner.min() < 1:
        raise _broken(name)
    return int(levels[-1]) if len(levels) else depth


def _broken(name: str) -> ServeError:
    return invalid(f"failed to parse the request JSON buffer: 'data' of '{name}' is no array")


def parsed(text: bytes) -> Steps:
    """A JSON text as a value, and the arrays that were cut out of it. Raises `ServeError`."""
    kept: list[bytes] = []
    arrays: list[Numbers] = []
    offset = at = 0
    for _ in range(_MAX_ARRAYS):
        found = text.find(b'"data"', at)
        if found < 0:
            break
        at = found + len(b'"data"')
        colon = _COLON.match(text, at)
        if colon is None:
            continue
        start = colon.end()
        at = yield from _end_of_numbers(text, start)
        end = text.rfind(b"]", start, at) + 1
        if end - start >= _LEAST_BYTES:
            kept += (text[offset:start], b'{"%b":%d}' % (_KEY.encode(), len(arrays)))
            arrays.append(Numbers(text, start, end))
            offset = end
    rest = b"".join((*kept, text[offset:]))
    yield from bounded(rest)
    return json_fields.parsed(rest), arrays


def _end_of_numbers(text: bytes, at: int) -> Steps:
    """Where the first string or object behind `at` begins, or the object around `at` ends."""
    while at < len(text):
        found = _NO_STRINGS.match(text, at, at + _LOOK_BYTES)
        assert found is not None, "it matches nothing too"
        if found.end() < at + _LOOK_BYTES:
            return found.end()
        at = found.end()
        yield 0
    return at


def put_back(tensors: list[dict[str, Any]], arrays: list[Numbers]) -> None:
    """Give the tensors of a text that was `parsed` the arrays that were cut out as their data."""
    for each in tensors if arrays else ():
        data = each.get("data")
        if isinstance(data, dict) and _KEY in data:
            each["data"] = arrays[data[_KEY]]


def bounded(text: bytes) -> Steps:
    """Raises `ServeError` for a JSON text with more values than it takes a moment to parse."""
    count = start = 0
    inside = False  # of a string
    while start < len(text) > LARGE_BYTES:
        end = start + _LOOK_BYTES
        while text[end - 1 : end] == b"\\":  # a backslash and what it is for stay together
            end += 1
        more, inside = _signs_outside_strings(text[start:end], inside=inside)
        count, start = count + more, end
        if count > _MAX_VALUES:
            raise invalid(
                f"the JSON holds more than {_MAX_VALUES} values beside the arrays of numbers in "
                "'data'; send tensors as binary data"
            )
        yield 0


def _signs_outside_strings(text: bytes, *, inside: bool) -> tuple[int, bool]:
    """How many values a part of a JSON text begins, and whether it ends inside a string."""
    text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    quotes = text.count(b'"')
    if not quotes:
        return 0 if inside else sum(map(text.count, (b",", b"[", b"{"))), inside
    plain = np.frombuffer(text, np.uint8)
    outside = (np.cumsum(plain == ord('"'), dtype=np.uint32) & 1) == int(inside)
    signs = (plain == ord(",")) | (plain == ord("[")) | (plain == ord("{"))
    return int(np.count_nonzero(signs & outside)), inside ^ bool(quotes & 1)


def at_once(steps: Steps) -> Any:
    """What a generator of steps returns in the end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def tensors(data: list[Any], inputs: Sequence[CallInput]) -> Steps:
    """Every `Numbers` of `data` becomes the tensor of its input. Raises `ServeError`."""
    for index, (each, given) in enumerate(zip(data, inputs, strict=True)):
        if isinstance(each, Numbers):
            data[index] = yield from each.tensor(given.dtype, given.shape, given.name)


def held_bytes(data: list[Any], sizes: tuple[int, ...]) -> int:
    """What the tensors that `Numbers` of `data` become take."""
    return sum(max(size, 0) for each, size in zip(data, sizes, strict=True)
               if isinstance(each, Numbers))  # fmt: skip
