"""The inputs and outputs of a version's model file, whatever kind of file it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

from trtbuild.registry import load

Told = TypeVar("Told")


class FileTensor(NamedTuple):
    """One input or output as the file states it; the batch dim is among `dims`."""

    name: str
    data_type: int  # a number of enum DataType; 0: one that Triton lacks, or not stated
    dims: tuple[int, ...] | None  # -1 where one varies; None: the rank is not stated


class Interface(NamedTuple):
    """What the file expects and gives."""

    inputs: tuple[FileTensor, ...]
    outputs: tuple[FileTensor, ...]
    opset: int = 0  # of ONNX's own operators; 0: no ONNX file, or it names none
    overridable: tuple[FileTensor, ...] = ()  # inputs with a value in the file: none need be given


class DamagedFileError(Exception):
    """The file is not what its name says, or was cut off; the text says how."""


def remembered(read: Callable[[Path], Told]) -> Callable[[Path], Told]:
    """`read` with the last few files in mind: a model's rules ask one after another."""

    @functools.lru_cache(maxsize=8)
    def known(path: Path, _mtime_ns: int, _size: int) -> Told:
        return read(path)

    @functools.wraps(read)
    def once(path: Path) -> Told:
        stat = path.stat()
        return known(path, stat.st_mtime_ns, stat.st_size)

    return once


# backend -> how its default file is read; each raises `DamagedFileError`
READERS = {
    "onnxruntime": "trtbuild.validate.modelfiles.onnx:read",
    "tensorflow": "trtbuild.validate.modelfiles.savedmodel:read",
}


def read_interface(backend: str, path: Path) -> Interface | None:
    """The interface of the file at `path`; None where nothing can be told.

    Raises `DamagedFileError`, and `OSError` where the file cannot be read.
    """
    if backend not in READERS:
        return None
    read: Callable[[Path], Interface | None] = load(READERS[backend])
    return read(path)
