"""Files of weights: .npz, .safetensors and TensorRT's .wts, each as name -> array.

No reader runs code from a file or trusts a size in it. NumPy is imported inside: the parent knows
this file by name only.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trtbuild.errors import SourceError, UsageError

if TYPE_CHECKING:
    import numpy as np

    Weights = dict[str, np.ndarray[Any, np.dtype[Any]]]

_HEADER_BYTES = 100 << 20  # the most that the safetensors package takes for a header
# github.com/huggingface/safetensors, "Format" -> numpy's or ml_dtypes' name.
_SAFETENSORS = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "I16": "int16", "U16": "uint16", "I32": "int32",
    "U32": "uint32", "I64": "int64", "U64": "uint64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip
# The DataType of a blob in a .wts file (NvInferRuntimeBase.h) -> bits as numpy has them, values.
_WTS = {0: ("uint32", "float32"), 1: ("uint16", "float16")}


def check_weights(path: Path) -> None:
    """Raise `UsageError` where `path` is no file of weights, as far as its name tells."""
    if not path.is_file():
        raise UsageError(f"--weights '{path}': no such file")
    if path.suffix not in READERS:
        raise UsageError(
            f"--weights '{path}' is none of {', '.join(READERS)}",
            "save the arrays by name: numpy.savez('weights.npz', **arrays)",
        )


def load_weights(path: Path) -> Weights:
    """The arrays in `path` by name. Raises `SourceError` where the file is damaged."""
    return READERS[path.suffix](path)


def _npz(path: Path) -> Weights:
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path, str(error).partition("\n")[0]) from None


def _safetensors(path: Path) -> Weights:
    import numpy as np

    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _HEADER_BYTES):
            raise _damaged(path, f"its header has {length} bytes, the file {size}")
        try:
            header = json.loads(file.read(length))
            entries = {name: one for name, one in header.items() if name != "__metadata__"}
        except (ValueError, AttributeError, RecursionError) as error:
            raise _damaged(path, f"its header is no JSON object: {error}") from None
    if not entries:
        return {}
    data = np.memmap(path, np.uint8, "r")[8 + length :]
    return {name: _tensor(path, name, entry, data) for name, entry in entries.items()}


def _tensor(path: Path, name: str, entry: Any, data: Any) -> Any:
    import ml_dtypes
    import numpy as np

    try:
        kind, shape, (begin, end) = (
            _SAFETENSORS[entry["dtype"]],
            entry["shape"],
            entry["data_offsets"],
        )
        dtype = np.dtype(getattr(ml_dtypes, kind, kind))
        wanted = dtype.itemsize * math.prod(shape)
        whole = all(isinstance(n, int) and n >= 0 for n in (*shape, begin, end))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(
            path, f"'{name}' has no dtype, shape or place that is known ({error})"
        ) from (None)
    if not whole or begin + wanted != end or end > len(data):
        raise _damaged(
            path, f"'{name}' is {entry['dtype']} {shape} at {begin} to {end} of {len(data)} bytes"
        )
    return data[begin:end].view(dtype).reshape(shape)


def _wts(path: Path) -> Weights:
    """A count, then a line a blob: `NAME TYPE COUNT HEX...` as TensorRT's samples have it, or
    `NAME COUNT HEX...` in fp32; the values are bit patterns. Blobs have no shape: [count].
    """
    try:
        lines = [line.split() for line in path.read_text("ascii").splitlines() if line.strip()]
    except UnicodeDecodeError:
        raise _damaged(path, "it is no text") from None
    if not lines or len(lines[0]) != 1 or not lines[0][0].isdecimal():
        raise _damaged(path, "its first line is not the number of its blobs")
    if (count := int(lines[0][0])) != len(lines) - 1:
        raise _damaged(path, f"it says that it has {count} blobs, and has {len(lines) - 1}")
    return dict(_blobs(path, lines[1:]))


def _blobs(path: Path, lines: list[list[str]]) -> Iterator[tuple[str, Any]]:
    import numpy as np

    for name, *words in lines:
        kind, size, values = "0", words[:1], words[1:]
        if size != [str(len(values))]:
            kind, size, values = (words or [""])[0], words[1:2], words[2:]
        if size != [str(len(values))]:
            raise _damaged(path, f"blob '{name}' says {' '.join(words[:2])} and has other values")
        bits, dtype = _WTS.get(int(kind) if kind.isdecimal() else -1, ("", ""))
        if not bits:
            raise _damaged(path, f"blob '{name}' is of type {kind}; 0 (fp32) and 1 (fp16) are read")
        try:
            yield name, np.array([int(value, 16) for value in values], bits).view(dtype)
        except (ValueError, OverflowError):
            raise _damaged(path, f"blob '{name}' has a value that is no {dtype} in hex") from None


def _damaged(path: Path, why: str) -> SourceError:
    return SourceError(f"the weights '{path}' cannot be read: {why}", "save or copy them again")


READERS: dict[str, Callable[[Path], Weights]] = {
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".wts": _wts,
}
