"""An ONNX file's inputs and outputs, by its wire format and without the onnx package.

Field numbers: onnx.proto (ModelProto, GraphProto, ValueInfoProto, TypeProto, TensorShapeProto,
TensorProto, OperatorSetIdProto).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.protowire import LENGTH, VARINT, Buffer, Field, fields
from trtbuild.tensor import dtype_from_onnx
from trtbuild.validate.modelfiles.interface import (
    DamagedFileError,
    FileTensor,
    Interface,
    remembered,
)
from trtbuild.validate.modelfiles.mapped import mapped
from trtbuild.validate.words import data_type_number

_IR, _GRAPH, _OPSET = 1, 7, 8
_FIRST_OVERRIDABLE = 4  # the IR version from which on a request may replace an initializer
_INITIALIZER, _INPUT, _OUTPUT = 5, 11, 12
_TENSOR_NAME = 8


@remembered
def read(path: Path) -> Interface | None:
    """Inputs, those of them that have a value in the file, and outputs of the graph.

    None for a folder (ONNX Runtime takes `model.onnx/model.onnx` with its data).
    """
    if path.is_dir():
        path = path / path.name
        if not path.is_file():
            return None
    with mapped(path, "ONNX model") as buffer:
        return _model(buffer)


def _model(buffer: Buffer) -> Interface:
    parts = [f for f in fields(buffer) if f.number in (_GRAPH, _OPSET) and f.wire == LENGTH]
    graphs = [f for f in parts if f.number == _GRAPH]
    opset = max((_opset(buffer, f) for f in parts if f.number == _OPSET), default=0)
    if not graphs:
        raise DamagedFileError("it has no graph: it is no ONNX model")
    inputs, outputs, constants = [], [], set()
    for field in fields(buffer, graphs[-1].start, graphs[-1].end):
        if field.wire != LENGTH:
            continue
        if field.number == _INPUT:
            inputs.append(_value(buffer, field))
        elif field.number == _OUTPUT:
            outputs.append(_value(buffer, field))
        elif field.number == _INITIALIZER:
            constants.add(_initializer_name(buffer, field))
    own = tuple(tensor for tensor in inputs if tensor.name not in constants)
    given = tuple(tensor for tensor in inputs if tensor.name in constants)
    overridable = given if _ir_version(buffer) >= _FIRST_OVERRIDABLE else ()
    return Interface(own, tuple(outputs), opset, overridable)


def _ir_version(buffer: Buffer) -> int:
    told = (f.value for f in fields(buffer) if f.number == _IR and f.wire == VARINT)
    return next(told, 0)


def _opset(buffer: Buffer, entry: Field) -> int:
    """OperatorSetIdProto: domain 1, version 2; 0 for a domain that is not ONNX's own."""
    domain, version = "", 0
    for field in fields(buffer, entry.start, entry.end):
        if field.number == 1 and field.wire == LENGTH:
            domain = _text(buffer, field)
        elif field.number == 2 and field.wire == VARINT:
            version = field.value
    return version if domain in ("", "ai.onnx") else 0


def _initializer_name(buffer: Buffer, tensor: Field) -> str:
    return next(
        (
            _text(buffer, f)
            for f in fields(buffer, tensor.start, tensor.end)
            if f.number == _TENSOR_NAME
        ),
        "",
    )


def _text(buffer: Buffer, field: Field) -> str:
    return buffer[field.start : field.end].decode(errors="replace")


def _value(buffer: Buffer, value: Field) -> FileTensor:
    """ValueInfoProto: name 1, type 2; TypeProto: tensor_type 1 with elem_type 1, shape 2."""
    name, data_type, dims = "", 0, None
    for field in fields(buffer, value.start, value.end):
        if field.number == 1:
            name = _text(buffer, field)
        for kind in _of(buffer, field, 2):
            for part in _of(buffer, kind, 1):
                for inner in fields(buffer, part.start, part.end):
                    if inner.number == 1 and inner.wire == VARINT:
                        row = dtype_from_onnx(inner.value)
                        data_type = data_type_number(row.triton) if row else 0
                    elif inner.number == 2 and inner.wire == LENGTH:
                        dims = tuple(_dims(buffer, inner))
    return FileTensor(name, data_type, dims)


def _of(buffer: Buffer, field: Field, number: int) -> Iterator[Field]:
    """The first fields in `field`, where it is the message `number`."""
    if field.number == number and field.wire == LENGTH:
        yield from fields(buffer, field.start, field.end) if number == 2 else (field,)


def _dims(buffer: Buffer, shape: Field) -> Iterator[int]:
    for dim in fields(buffer, shape.start, shape.end):
        if dim.number == 1 and dim.wire == LENGTH:
            parts = {f.number: f.value for f in fields(buffer, dim.start, dim.end)}
            yield parts[1] if 1 in parts and parts[1] < 2**63 else -1
