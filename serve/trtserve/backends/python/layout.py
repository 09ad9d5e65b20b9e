"""Where the tensors of a batch lie in shared memory, and the few numbers that say so.

A message is a request or an answer: some tensors, and perhaps a note (JSON or text). What is the
same in many messages is their `Signature`; each is told to the other side once and has a number
from then on. A batch is then a list of runs, (number of signature, repeat), plus the sizes of
those parts whose size the signature does not fix: BYTES tensors and notes. Every part starts at a
multiple of 64 bytes, so that arrays over it are aligned for any dtype and for SIMD.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from trtserve.tensors import SIZES

Part = bytes | bytearray | memoryview | npt.NDArray[np.generic]

_ALIGNMENT = 64
_PADDING = bytes(_ALIGNMENT)
# Signatures that either side remembers before both forget all: clients may vary shapes forever.
MAX_SIGNATURES = 1024
# Heads of up to so many entries fit _ALIGNMENT bytes; both sides remember them. The top byte of
# the first number is the channel's: 0 in every head.
_KNOWN_ENTRIES = 5


class Spec(NamedTuple):
    """One tensor: its name, its dtype by wire name, its shape with the batch dim."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Signature(NamedTuple):
    """What many messages have in common."""

    tensors: tuple[Spec, ...]
    labels: tuple[str, ...] = ()  # of a request: wanted outputs; of an error: its code
    note: bool = False  # a note follows the tensors


class Layout:
    """Where the parts of one message of a signature lie, counted from its start."""

    __slots__ = ("offsets", "plain", "signature", "sizes", "stride", "variable")

    def __init__(self, signature: Signature) -> None:
        sizes = [SIZES[each.dtype] * math.prod(each.shape) for each in signature.tensors]
        is_variable = [each.dtype == "BYTES" for each in signature.tensors]
        if signature.note:
            sizes.append(0)
            is_variable.append(True)
        self.signature = signature
        self.sizes = sizes
        self.variable = tuple(index for index, each in enumerate(is_variable) if each)
        self.offsets, self.stride = _pile(sizes)
        # Parts that need no padding in between can be joined as they are.
        self.plain = not self.variable and all(size % _ALIGNMENT == 0 for size in sizes)

    def sizes_with(self, stated: Sequence[int]) -> list[int]:
        """The sizes of all parts, those of the variable ones as `stated`."""
        sizes = self.sizes.copy()
        for index, size in zip(self.variable, stated, strict=True):
            sizes[index] = size
        return sizes


class Run(NamedTuple):
    """Messages that lie alike: part `k` of each at `offsets[k]` from its start, `sizes[k]` long."""

    layout: Layout
    starts: Sequence[int]
    offsets: Sequence[int]
    sizes: Sequence[int]


class Writer:
    """Lays batches out. Both sides must see every batch, in order."""

    def __init__(self) -> None:
        self._known: dict[Signature, tuple[int, Layout]] = {}
        self._heads: dict[tuple[int, ...], bytes] = {}

    def lay_out(
        self, messages: Sequence[tuple[Signature, Sequence[Part]]]
    ) -> tuple[list[Part], int]:
        """The parts to write one after the other, and how many bytes they must have."""
        entries: list[int] = []
        used = 0
        parts: list[Part] = []
        definitions: list[Signature] = []
        forget = len(self._known) > MAX_SIGNATURES
        if forget:
            self._known.clear()
        last: Signature | None = None
        for signature, buffers in messages:
            if signature is not last:
                number, layout = self._look_up(signature, definitions)
                last = signature
                run = len(entries) + 1
                entries += (number, 0)
            entries[run] += 1
            if layout.plain:
                parts += buffers
                used += layout.stride
            else:
                used += _pad_into(parts, entries, layout, buffers)
        head = self._head(forget, definitions, entries)
        return [head, *parts], len(head) + used

    def _head(
        self, forget: bool, definitions: Sequence[Signature], entries: Sequence[int]
    ) -> bytes:
        if forget or definitions or len(entries) > _KNOWN_ENTRIES:
            return _head(forget, definitions, entries)
        key = tuple(entries)
        head = self._heads.get(key)
        if head is None:
            if len(self._heads) >= MAX_SIGNATURES:
                self._heads.clear()
            head = self._heads[key] = _head(False, (), entries)
        return head

    def _look_up(self, signature: Signature, definitions: list[Signature]) -> tuple[int, Layout]:
        known = self._known.get(signature)
        if known is None:
            known = len(self._known), Layout(signature)
            self._known[signature] = known
            definitions.append(signature)
        return known


def _pad_into(
    parts: list[Part], entries: list[int], layout: Layout, buffers: Sequence[Part]
) -> int:
    variable = layout.variable
    used = 0
    for index, buffer in enumerate(buffers):
        if index in variable:
            size = len(buffer)
            entries.append(size)
        else:
            size = layout.sizes[index]
        parts.append(buffer)
        if size % _ALIGNMENT:
            parts.append(_PADDING[size % _ALIGNMENT :])
        used += size + -size % _ALIGNMENT
    return used


def _head(forget: bool, definitions: Sequence[Signature], entries: Sequence[int]) -> bytes:
    told = json.dumps(definitions).encode() if definitions else b""
    numbers = struct.pack(f"<{3 + len(entries)}Q", forget, len(told), len(entries), *entries)
    return numbers + told + bytes(-(len(numbers) + len(told)) % _ALIGNMENT)


class Reader:
    """Finds the messages of batches that a `Writer` laid out."""

    def __init__(self) -> None:
        self._layouts: list[Layout] = []
        self._known: dict[bytes, list[Run]] = {}

    def read(self, memory: memoryview) -> list[Run]:
        """The messages of the batch at the start of `memory`, in order."""
        start = bytes(memory[:_ALIGNMENT])
        known = self._known.get(start)
        if known is not None:
            return known
        forget, told, count = struct.unpack_from("<3Q", memory)
        if forget:
            self._layouts.clear()
            self._known.clear()
        entries = struct.unpack_from(f"<{count}Q", memory, 24)
        end = 24 + 8 * count + told
        if told:
            self._learn(bytes(memory[end - told : end]))
        runs = list(self._runs(entries, end + -end % _ALIGNMENT))
        if end <= _ALIGNMENT and not told and not forget:
            if len(self._known) >= MAX_SIGNATURES:
                self._known.clear()
            self._known[start] = runs
        return runs

    def _learn(self, told: bytes) -> None:
        for tensors, labels, note in json.loads(told):
            specs = tuple(Spec(name, dtype, tuple(shape)) for name, dtype, shape in tensors)
            self._layouts.append(Layout(Signature(specs, tuple(labels), note)))

    def _runs(self, entries: Sequence[int], base: int) -> Iterator[Run]:
        at = 0
        while at < len(entries):
            layout, repeat = self._layouts[entries[at]], entries[at + 1]
            at += 2
            variable = len(layout.variable)
            if variable:
                for _ in range(repeat):
                    sizes = layout.sizes_with(entries[at : at + variable])
                    at += variable
                    offsets, stride = _pile(sizes)
                    yield Run(layout, (base,), offsets, sizes)
                    base += stride
            else:
                end = base + repeat * layout.stride
                starts = range(base, end, layout.stride) if end > base else (base,) * repeat
                yield Run(layout, starts, layout.offsets, layout.sizes)
                base = end


def _pile(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Where parts of these sizes start, each aligned, and where the next one would."""
    offsets, start = [], 0
    for size in sizes:
        offsets.append(start)
        start += size + -size % _ALIGNMENT
    return offsets, start
