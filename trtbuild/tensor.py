"""Names, data types and shapes of tensors, in the words of every system a model passes.

`DTYPES` is the one table; every other spelling of a data type is looked up in it.
Sources: triton model_config.proto (enum DataType), KServe v2 protocol (tensor data types),
onnx.proto (TensorProto.DataType), NvInfer.h (enum DataType, by name).
"""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from trtbuild.errors import UsageError


class DType(NamedTuple):
    """One data type. Empty text or 0: that system has no such type."""

    name: str  # ours, as on the command line: fp32
    triton: str  # config.pbtxt: TYPE_FP32
    kserve: str  # wire protocol: FP32
    numpy: str  # numpy (or ml_dtypes) name: float32
    onnx: int  # TensorProto.DataType
    tensorrt: str  # member name of tensorrt.DataType, the same in 10, 11 and RTX: FLOAT
    bits: int  # per element; 0 for strings


_ROWS = (
    DType("bool", "TYPE_BOOL", "BOOL", "bool", 9, "BOOL", 8),
    DType("uint8", "TYPE_UINT8", "UINT8", "uint8", 2, "UINT8", 8),
    DType("uint16", "TYPE_UINT16", "UINT16", "uint16", 4, "", 16),
    DType("uint32", "TYPE_UINT32", "UINT32", "uint32", 12, "", 32),
    DType("uint64", "TYPE_UINT64", "UINT64", "uint64", 13, "", 64),
    DType("int8", "TYPE_INT8", "INT8", "int8", 3, "INT8", 8),
    DType("int16", "TYPE_INT16", "INT16", "int16", 5, "", 16),
    DType("int32", "TYPE_INT32", "INT32", "int32", 6, "INT32", 32),
    DType("int64", "TYPE_INT64", "INT64", "int64", 7, "INT64", 64),
    DType("fp16", "TYPE_FP16", "FP16", "float16", 10, "HALF", 16),
    DType("fp32", "TYPE_FP32", "FP32", "float32", 1, "FLOAT", 32),
    DType("fp64", "TYPE_FP64", "FP64", "float64", 11, "", 64),
    DType("string", "TYPE_STRING", "BYTES", "object", 8, "", 0),
    DType("bf16", "TYPE_BF16", "BF16", "bfloat16", 16, "BF16", 16),
    DType("complex64", "", "", "complex64", 14, "", 64),
    DType("complex128", "", "", "complex128", 15, "", 128),
    DType("fp8e4m3fn", "", "", "float8_e4m3fn", 17, "FP8", 8),
    DType("fp8e4m3fnuz", "", "", "float8_e4m3fnuz", 18, "", 8),
    DType("fp8e5m2", "", "", "float8_e5m2", 19, "", 8),
    DType("fp8e5m2fnuz", "", "", "float8_e5m2fnuz", 20, "", 8),
    DType("uint4", "", "", "uint4", 21, "", 4),
    DType("int4", "", "", "int4", 22, "INT4", 4),
    DType("fp4e2m1", "", "", "float4_e2m1fn", 23, "FP4", 4),
    DType("fp8e8m0", "", "", "float8_e8m0fnu", 24, "E8M0", 8),
    DType("uint2", "", "", "uint2", 25, "", 2),
    DType("int2", "", "", "int2", 26, "", 2),
    DType("fp6e2m3", "", "", "float6_e2m3fn", 27, "", 6),
    DType("fp6e3m2", "", "", "float6_e3m2fn", 28, "", 6),
)

DTYPES: dict[str, DType] = {row.name: row for row in _ROWS}
_BY_ONNX = {row.onnx: row for row in _ROWS}
_BY_NUMPY = {row.numpy: row for row in _ROWS}
_BY_TRITON = {row.triton: row for row in _ROWS if row.triton}
_BY_KSERVE = {row.kserve: row for row in _ROWS if row.kserve}
_BY_TENSORRT = {row.tensorrt: row for row in _ROWS if row.tensorrt}
# Spellings people type besides ours.
_ALIASES = {
    "float": "fp32",
    "float32": "fp32",
    "half": "fp16",
    "float16": "fp16",
    "double": "fp64",
    "float64": "fp64",
    "bfloat16": "bf16",
    "bytes": "string",
    "str": "string",
    "int": "int32",
    "long": "int64",
}


def dtype_from_text(text: str) -> DType:
    """The data type a user typed: `fp32`, `float32`, `TYPE_FP32`. Raises `UsageError`."""
    name = text.strip().lower().removeprefix("type_")
    row = DTYPES.get(_ALIASES.get(name, name))
    if row is None:
        known = ", ".join(row.name for row in _ROWS if row.triton)
        raise UsageError(f"no data type is called '{text}'; there are {known}")
    return row


def dtype_from_onnx(number: int) -> DType | None:
    """The row of an ONNX `TensorProto.DataType`, None where ONNX has grown a type since."""
    return _BY_ONNX.get(number)


def dtype_from_numpy(name: str) -> DType | None:
    """The row of a numpy or ml_dtypes type's name (`float32`)."""
    return _BY_NUMPY.get("object" if name.startswith(("str", "bytes")) else name)


def dtype_from_triton(name: str) -> DType | None:
    """The row of a `config.pbtxt` name (`TYPE_FP32`)."""
    return _BY_TRITON.get(name)


def dtype_from_kserve(name: str) -> DType | None:
    """The row of a wire protocol name (`FP32`)."""
    return _BY_KSERVE.get(name)


def dtype_from_tensorrt(name: str) -> DType | None:
    """The row of a TensorRT `DataType` member's name (`FLOAT`)."""
    return _BY_TENSORRT.get(name)


Dim = int | str  # a size, or the name of one that varies; never "" and never -1
Shape = tuple[Dim, ...]


class TensorSpec(msgspec.Struct, frozen=True):
    """A model's input or output: `image fp32 [batch, 3, 224, 224]`."""

    name: str
    dtype: str  # a key of DTYPES
    shape: Shape

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {shape_text(self.shape)}"

    @property
    def dynamic_dims(self) -> tuple[str, ...]:
        """The names of the dims that vary, in order, without repeats."""
        return tuple(dict.fromkeys(dim for dim in self.shape if isinstance(dim, str)))


def shape_text(shape: Shape) -> str:
    """`[batch, 3, 224, 224]`."""
    return "[" + ", ".join(str(dim) for dim in shape) + "]"


class InputOverride(msgspec.Struct, frozen=True):
    """What `--input NAME[=DTYPE][DIMS]` says of one input; None: nothing said."""

    name: str
    dtype: str | None = None
    shape: Shape | None = None


_INPUT = re.compile(r"(?P<name>[^=\[\]]+)(?:=(?P<dtype>\w+)?(?:\[(?P<dims>[^\[\]]*)\])?)?")


def input_override_from_text(text: str) -> InputOverride:
    """Read `image=fp32[batch,3,224,224]`, `image=fp32` or `image=[batch,3]`.

    A dim is a positive number or the name of a dim that varies. Raises `UsageError`.
    """
    match = _INPUT.fullmatch(text.strip())
    if match is None or ("=" in text and not (match["dtype"] or match["dims"] is not None)):
        raise UsageError(
            f"--input '{text}' is not NAME=DTYPE[DIMS]",
            "write for example --input 'image=fp32[batch,3,224,224]'",
        )
    dtype = dtype_from_text(match["dtype"]).name if match["dtype"] else None
    shape = None if match["dims"] is None else _shape_from_text(match["dims"], text)
    return InputOverride(match["name"].strip(), dtype, shape)


def _shape_from_text(dims: str, text: str) -> Shape:
    shape: list[Dim] = []
    for part in (part.strip() for part in dims.split(",") if dims.strip()):
        if part.isdecimal() and int(part) > 0:
            shape.append(int(part))
        elif part.isidentifier():
            shape.append(part)
        else:
            raise UsageError(
                f"--input '{text}': dim '{part}' is neither a positive number nor a name",
                "name a dim that varies, for example [batch,3,224,224]",
            )
    return tuple(shape)
