"""Inference over gRPC: ModelInferRequest and ModelInferResponse with tensors as views.

Both messages are flat: small fields first, tensor data (`raw_input_contents`, field 7;
`raw_output_contents`, field 6) last. So a request is a header, which protobuf parses once and
which clients then repeat byte for byte, and raw fields, which are sliced and never copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from trtserve.contract import Contract, check_parameter
from trtserve.errors import invalid
from trtserve.protocols.answer import answered, differs_in_data_alone
from trtserve.protocols.messages import message
from trtserve.request import (
    Buffer,
    Call,
    CallInput,
    CallOutput,
    Form,
    InferResponse,
    OutputTensor,
    Parameters,
)
from trtserve.tensors import NUMPY, check_bytes, wire_from_elements

_RAW_INPUT_TAG = 7 << 3 | 2
_RAW_OUTPUT_TAG = 6 << 3 | 2
_RAW_SIZES_MAX = 8192
# Which field of InferTensorContents holds a data type (grpc_service.proto).
_CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}


class Envelope(NamedTuple):
    """A ModelInferRequest taken apart: its header as bytes, its raw tensors as views."""

    header: bytes
    raw: list[memoryview]


def envelope(data: memoryview) -> Envelope:
    """Walk the top-level fields of a ModelInferRequest. Raises `ServeError` on a torn one."""
    raw: list[memoryview] = []
    parts: list[memoryview] = []  # what is not raw, between raw fields
    start = offset = 0
    end = len(data)
    try:
        while offset < end:
            tag, after = varint(data, offset)
            next_ = _after_field(data, tag & 7, after)
            if tag == _RAW_INPUT_TAG:
                _, first = varint(data, after)
                raw.append(data[first:next_])
                if len(raw) > _RAW_SIZES_MAX:
                    raise invalid(f"more than {_RAW_SIZES_MAX} raw_input_contents")
                parts.append(data[start:offset])
                start = next_
            offset = next_
        if offset != end:
            raise IndexError
    except IndexError:
        raise invalid("the message is no ModelInferRequest: it ends within a field") from None
    parts.append(data[start:])
    return Envelope(b"".join(parts), raw)


def varint(data: memoryview, offset: int) -> tuple[int, int]:
    """The varint at `offset` and the offset behind it. Raises `IndexError` where it is torn."""
    value = data[offset]
    offset += 1
    if value < 0x80:
        return value, offset
    value &= 0x7F
    for shift in range(7, 70, 7):
        byte = data[offset]
        offset += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, offset
    raise IndexError


def _after_field(data: memoryview, wire: int, offset: int) -> int:
    if wire == 2:
        length, offset = varint(data, offset)
        return offset + length
    if wire == 0:
        return varint(data, offset)[1]
    if wire == 1:
        return offset + 8
    if wire == 5:
        return offset + 4
    raise IndexError


def encoded_varint(value: int) -> bytes:
    """`value` as a protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parsed_header(header: bytes) -> Any:
    """The header's bytes as a ModelInferRequest. Raises `ServeError`."""
    from google.protobuf.message import DecodeError

    try:
        return message("ModelInferRequest").FromString(header)
    except DecodeError:
        raise invalid("the message is no ModelInferRequest") from None


def decode(
    contract: Contract, request: Any, raw: Sequence[memoryview]
) -> tuple[Call, Sequence[Buffer]]:
    """A parsed header and its raw tensors as a checked call. Raises `ServeError`."""
    inputs = [CallInput(each.name, _dtype(each), tuple(each.shape)) for each in request.inputs]
    outputs = [_output(each) for each in request.outputs]
    if len({each.name for each in outputs}) < len(outputs):
        # As Triton does over gRPC: named twice, the first that asks for classes counts.
        outputs.sort(key=lambda each: not each.classification)
    stated = parameters(request.parameters, "request")
    call = contract.call(request.id, inputs, outputs, stated, binary=True)
    if not raw and any(each.HasField("contents") for each in request.inputs):
        return call, [_contents(each, contract.name) for each in request.inputs]
    if len(raw) != len(inputs):
        raise invalid(
            f"expected {len(inputs)} raw_input_contents, one for each input, got {len(raw)}"
        )
    for each, size, data, stated_input in zip(inputs, call.sizes, raw, request.inputs, strict=True):
        if stated_input.HasField("contents"):
            raise invalid(
                f"contents field must not be specified when using raw_input_contents for "
                f"'{each.name}' for model '{contract.name}'"
            )
        check_raw(each, size, data)
    return call, raw


def check_raw(each: CallInput, size: int, data: memoryview) -> None:
    """A raw tensor's bytes are those its shape asks for. Raises `ServeError`."""
    if size < 0:
        check_bytes(data, each.shape, each.name)
    elif size != len(data):
        raise invalid(
            f"input byte size mismatch for input '{each.name}': expected {size}, got {len(data)}"
        )


def _dtype(tensor: Any) -> str:
    if tensor.datatype not in NUMPY:
        raise invalid(
            f"input '{tensor.name}' has the datatype '{tensor.datatype}'; there are "
            f"{', '.join(NUMPY)}"
        )
    parameters(tensor.parameters, f"input '{tensor.name}'")
    return str(tensor.datatype)


def _output(tensor: Any) -> CallOutput:
    stated = parameters(tensor.parameters, f"output '{tensor.name}'")
    if "classification" not in stated:
        return CallOutput(tensor.name, 0, True)
    classes = stated["classification"]
    kind = tensor.parameters["classification"].WhichOneof("parameter_choice")
    if kind != "int64_param" or classes <= 0:
        raise invalid(
            f"output '{tensor.name}': parameter 'classification' must be a number of classes, "
            f"an int64_param from 1, got {classes!r} as {kind}"
        )
    return CallOutput(tensor.name, classes, True)


def parameters(entries: Any, of: str) -> Parameters:
    """InferParameters as plain values. Raises `ServeError`."""
    values: Parameters = {}
    for name, parameter in entries.items():
        choice = parameter.WhichOneof("parameter_choice")
        if choice is None:
            raise invalid(f"parameter '{name}' of the {of} has no value")
        check_parameter(name, of)
        values[name] = getattr(parameter, choice)
    return values


def _contents(tensor: Any, model: str) -> Buffer:
    """An input's typed contents in wire form. Raises `ServeError`."""
    field = _CONTENTS.get(tensor.datatype)
    for other, _ in tensor.contents.ListFields():
        if other.name != field:
            raise invalid(
                f"unexpected explicit tensor data for input tensor '{tensor.name}' for model "
                f"'{model}': {other.name} is set, {tensor.datatype} takes "
                f"{field or 'raw_input_contents'}"
            )
    if field is None:
        raise invalid(
            f"input '{tensor.name}': {tensor.datatype} has no typed contents, use "
            "raw_input_contents"
        )
    values = getattr(tensor.contents, field)
    count = int(np.prod(tensor.shape, dtype=object)) if tensor.shape else 1
    if len(values) != count:
        raise invalid(
            f"unexpected number of elements for input '{tensor.name}': expected {count} in "
            f"{field}, got {len(values)}"
        )
    if field == "bytes_contents":
        return wire_from_elements(values)
    try:
        return np.array(values, NUMPY[tensor.datatype]).tobytes()
    except OverflowError:
        raise invalid(
            f"input '{tensor.name}': {field} holds a number that {tensor.datatype} cannot hold"
        ) from None


class _KnownHeads(NamedTuple):
    call: Call
    form: Form
    heads: tuple[bytes, ...]


class ResponseEncoder:
    """Responses of one loaded model as the parts of a ModelInferResponse."""

    _KNOWN_MAX = 512

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._known: dict[int, _KnownHeads] = {}  # by the identity of their calls

    def encode(self, call: Call, response: InferResponse) -> list[Buffer]:
        """Parts that, one after the other, are the message. Raises `ServeError`."""
        known = self._known.get(id(call))
        if known is not None and known.form is response.form and known.call is call:
            return _parts(known.heads, response.data)
        outputs = answered(self._contract, call, response)
        heads = _heads(call, response.form, outputs)
        if differs_in_data_alone(call, response.form):
            if len(self._known) >= self._KNOWN_MAX:
                self._known.clear()
            self._known[id(call)] = _KnownHeads(call, response.form, heads)
        return _parts(heads, [each.data for each in outputs]) if outputs else [*heads]


def _parts(heads: Sequence[bytes], data: Sequence[Buffer]) -> list[Buffer]:
    if len(heads) == 1:  # most models have one output
        return [heads[0], data[0]]
    parts: list[Buffer] = []
    for head, each in zip(heads, data, strict=True):
        parts += (head, each)
    return parts


def _heads(call: Call, form: Form, outputs: Sequence[OutputTensor]) -> tuple[bytes, ...]:
    """What stands before each output's data; the message's header before the first."""
    value = message("ModelInferResponse")(
        model_name=form.model_name, model_version=form.model_version, id=call.id
    )
    for each in outputs:
        value.outputs.add(name=each.name, datatype=each.dtype, shape=each.shape)
    for name, stated in (form.parameters or {}).items():
        set_parameter(value.parameters[name], stated)
    tags = [bytes([_RAW_OUTPUT_TAG]) + encoded_varint(len(each.data)) for each in outputs] or [b""]
    tags[0] = value.SerializeToString() + tags[0]
    return tuple(tags)


def set_parameter(parameter: Any, value: Any) -> None:
    """Write a plain value into an InferParameter."""
    if isinstance(value, bool):
        parameter.bool_param = value
    elif isinstance(value, int):
        parameter.int64_param = value
    elif isinstance(value, float):
        parameter.double_param = value
    else:
        parameter.string_param = value
