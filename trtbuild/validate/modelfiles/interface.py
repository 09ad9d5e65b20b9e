"""The inputs and outputs of a version's model file, whatever kind of file it is."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from trtbuild.registry import load


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


class DamagedFileError(Exception):
    """The file is not what its name says, or was cut off; the text says how."""


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
    stat = path.stat()
    return _read(backend, path, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=8)  # a model's rules run one after another
def _read(backend: str, path: Path, _mtime: int, _size: int) -> Interface | None:
    read: Callable[[Path], Interface | None] = load(READERS[backend])
    return read(path)
