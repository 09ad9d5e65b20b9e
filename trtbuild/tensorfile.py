"""Named tensors in a file, for passing between worker processes. No pickle.

The format is numpy's .npz with bfloat16 and other ml_dtypes types stored as raw bytes beside
their name, and strings as fixed-width bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Tensors = Mapping[str, np.ndarray]

_END = b"\x01"  # behind every text, for numpy drops what is NUL at the end


def save_tensors(path: Path, tensors: Tensors) -> None:
    """Write `tensors` (any names, any shapes; object arrays hold `str` or `bytes`) to `path`."""
    import numpy as np

    arrays: dict[str, Any] = {}
    for index, (name, tensor) in enumerate(tensors.items()):
        kind, data = _storable(np.asarray(tensor))
        arrays[f"{index}_data"] = data
        # As bytes: numpy's own texts lose what is NUL at their end.
        arrays[f"{index}_name"] = np.frombuffer(json.dumps([name, kind]).encode(), np.uint8)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def _storable(array: np.ndarray) -> tuple[str, np.ndarray]:
    import ml_dtypes
    import numpy as np

    kind = array.dtype.name
    if array.dtype.kind in "OSU":
        encoded = [x if isinstance(x, bytes) else str(x).encode() for x in array.ravel()]
        return "object", np.array([x + _END for x in encoded], dtype="S").reshape(array.shape)
    if hasattr(ml_dtypes, kind):
        return kind, np.ascontiguousarray(array).view(f"u{array.dtype.itemsize}")
    return kind, array


def load_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read what `save_tensors` wrote; strings come back as object arrays of `bytes`."""
    import ml_dtypes
    import numpy as np

    tensors = {}
    with np.load(path, allow_pickle=False) as arrays:
        for index in range(len(arrays.files) // 2):
            name, kind = json.loads(arrays[f"{index}_name"].tobytes())
            array = arrays[f"{index}_data"]
            if kind == "object":
                texts = [text[: -len(_END)] for text in array.ravel().tolist()]
                array = np.empty(array.shape, object)
                array.ravel()[:] = texts
            elif hasattr(ml_dtypes, kind):
                array = array.view(getattr(ml_dtypes, kind))
            tensors[name] = array
    return tensors
