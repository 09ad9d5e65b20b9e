"""A SavedModel's signature, by its wire format and without TensorFlow.

Field numbers: saved_model.proto, meta_graph.proto (MetaGraphDef, SignatureDef, TensorInfo),
tensor_shape.proto, types.proto (DataType).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.protowire import LENGTH, VARINT, Buffer, Field, fields
from trtbuild.validate.modelfiles.interface import (
    DamagedFileError,
    FileTensor,
    Interface,
    remembered,
)
from trtbuild.validate.modelfiles.mapped import mapped
from trtbuild.validate.words import data_type_number

_FILE = "saved_model.pb"
_DEFAULT = "serving_default"  # the signature Triton's TensorFlow backend takes
# tensorflow.DataType -> Triton's
_TYPES = {
    1: "FP32", 2: "FP64", 3: "INT32", 4: "UINT8", 5: "INT16", 6: "INT8", 7: "STRING", 9: "INT64",
    10: "BOOL", 14: "BF16", 17: "UINT16", 19: "FP16", 22: "UINT32", 23: "UINT64",
}  # fmt: skip


@remembered
def read(path: Path) -> Interface | None:
    """Inputs and outputs of the signature `serving_default`; None for a GraphDef file."""
    if not path.is_dir():
        return None
    file = path / _FILE
    if not file.is_file():
        if (path / "saved_model.pbtxt").is_file():
            return None
        raise DamagedFileError(f"there is no {_FILE} in it")
    with mapped(file, "SavedModel") as buffer:
        return _signature(buffer)


def _signature(buffer: Buffer) -> Interface | None:
    for meta_graph in _messages(buffer, None, 2):
        for entry in _messages(buffer, meta_graph, 5):
            if _key(buffer, entry) != _DEFAULT:
                continue
            for signature in _messages(buffer, entry, 2):
                return Interface(
                    tuple(_tensors(buffer, signature, 1)), tuple(_tensors(buffer, signature, 2))
                )
    return None


def _messages(buffer: Buffer, parent: Field | None, number: int) -> Iterator[Field]:
    start, end = (parent.start, parent.end) if parent else (0, None)
    for field in fields(buffer, start, end):
        if field.number == number and field.wire == LENGTH:
            yield field


def _key(buffer: Buffer, entry: Field) -> str:
    for field in _messages(buffer, entry, 1):
        return buffer[field.start : field.end].decode(errors="replace")
    return ""


def _tensors(buffer: Buffer, signature: Field, number: int) -> Iterator[FileTensor]:
    for entry in _messages(buffer, signature, number):
        data_type, dims = 0, None
        for info in _messages(buffer, entry, 2):
            for field in fields(buffer, info.start, info.end):
                if field.number == 2 and field.wire == VARINT:
                    data_type = data_type_number(_TYPES.get(field.value, ""))
                elif field.number == 3 and field.wire == LENGTH:
                    dims = _dims(buffer, field)
        yield FileTensor(_key(buffer, entry), data_type, dims)


def _dims(buffer: Buffer, shape: Field) -> tuple[int, ...] | None:
    dims = []
    for field in fields(buffer, shape.start, shape.end):
        if field.number == 3 and field.value:
            return None  # unknown_rank
        if field.number == 2 and field.wire == LENGTH:
            sizes = [f.value for f in fields(buffer, field.start, field.end) if f.number == 1]
            dims.append(sizes[0] if sizes and sizes[0] < 2**63 else (-1 if sizes else 0))
    return tuple(dims)
