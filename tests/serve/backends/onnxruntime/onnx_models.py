"""A model's bytes and a config to what the backend is asked to load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from trtserve.backends.base import LoadRequest
from trtserve.placement import Seat

from tests.serve.models import Dims, model
from trtbuild.modelconfig.schema import new_config

# Wire name -> (number in ONNX, what NumPy or ml_dtypes calls it).
DTYPES: dict[str, tuple[int, Any]] = {
    "FP32": (TensorProto.FLOAT, np.float32),
    "FP64": (TensorProto.DOUBLE, np.float64),
    "FP16": (TensorProto.FLOAT16, np.float16),
    "INT8": (TensorProto.INT8, np.int8),
    "INT16": (TensorProto.INT16, np.int16),
    "INT32": (TensorProto.INT32, np.int32),
    "INT64": (TensorProto.INT64, np.int64),
    "UINT8": (TensorProto.UINT8, np.uint8),
    "UINT16": (TensorProto.UINT16, np.uint16),
    "UINT32": (TensorProto.UINT32, np.uint32),
    "UINT64": (TensorProto.UINT64, np.uint64),
    "BOOL": (TensorProto.BOOL, np.bool_),
    "BYTES": (TensorProto.STRING, np.object_),
    "BF16": (TensorProto.BFLOAT16, ml_dtypes.bfloat16),
}


def values_of(dtype: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Values as the batch holds them: BYTES as bytes objects, BF16 as uint16."""
    random = np.random.default_rng(3)
    if dtype == "BYTES":
        words = np.array(
            [b"", b"plain", "\N{LATIN SMALL LETTER U WITH DIAERESIS}".encode()], object
        )
        return random.choice(words, shape)
    values = (random.random(shape) * 9).astype(DTYPES[dtype][1])
    return values.view(np.uint16) if dtype == "BF16" else values


def reshaping(dtype: int = TensorProto.FLOAT, dims: Dims | None = None) -> bytes:
    """OUTPUT0 = INPUT0 with its first two dims exchanged: one node that every type has."""
    dims = ["batch", "any"] if dims is None else dims
    node = helper.make_node("Transpose", ["INPUT0"], ["OUTPUT0"], perm=[1, 0])
    return model([node], {"INPUT0": (dtype, dims)}, {"OUTPUT0": (dtype, dims[::-1])})


def nonzero() -> bytes:
    """OUTPUT0 = where INPUT0 [n, m] is not zero, int64 [2, found]: a shape that data decides."""
    node = helper.make_node("NonZero", ["INPUT0"], ["OUTPUT0"])
    return model(
        [node],
        {"INPUT0": (TensorProto.FLOAT, ["n", "m"])},
        {"OUTPUT0": (TensorProto.INT64, [2, "found"])},
    )


def viewed() -> bytes:
    """OUTPUT0 = INPUT0 in the shape that SHAPE says: int64 values that the CPU needs."""
    node = helper.make_node("Reshape", ["INPUT0", "SHAPE"], ["OUTPUT0"])
    return model(
        [node],
        {"INPUT0": (TensorProto.FLOAT, ["n", "m"]), "SHAPE": (TensorProto.INT64, [2])},
        {"OUTPUT0": (TensorProto.FLOAT, ["a", "b"])},
    )


def picked(dtype: int = TensorProto.FLOAT) -> bytes:
    """OUTPUT0 = INPUT0[INDEX]: scalars in and out."""
    node = helper.make_node("Gather", ["INPUT0", "INDEX"], ["OUTPUT0"])
    return model(
        [node], {"INPUT0": (dtype, [4]), "INDEX": (TensorProto.INT64, [])}, {"OUTPUT0": (dtype, [])}
    )


def session(content: bytes, providers: list[Any] | None = None) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(content, providers=providers or ["CPUExecutionProvider"])


def load_request(
    folder: Path, content: bytes, *, devices: tuple[str, ...] = ("cpu",), complete: bool = True,
    **config: Any,
) -> LoadRequest:  # fmt: skip
    """`config` says what new_config takes."""
    file = folder / "model.onnx"
    file.write_bytes(content)
    seats = tuple(Seat(f"m_{number}", device) for number, device in enumerate(devices))
    made = new_config(name="m", backend="onnxruntime", **config)
    return LoadRequest("m", 1, folder, file, made, complete, seats)
