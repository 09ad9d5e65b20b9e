"""Inference over HTTP: KServe v2 JSON with the binary tensor data extension.

A body is JSON, then the binary tensors in the order of the JSON's inputs; the header
`Inference-Header-Content-Length` says how long the JSON is. Length 0: no JSON at all, the body
is the one input's data ("raw binary request").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from trtserve.contract import Contract, TensorRule
from trtserve.errors import invalid
from trtserve.protocols import large_json
from trtserve.protocols.answer import answered, asked_of, differs_in_data_alone
from trtserve.protocols.http1 import infer_head
from trtserve.protocols.json_fields import (
    array_of,
    id_of,
    input_of,
    object_of,
    output_of,
    parameters_of,
    parsed,
)
from trtserve.request import (
    Buffer,
    Call,
    CallInput,
    Form,
    InferResponse,
    OutputTensor,
)
from trtserve.tensors import SIZES, check_bytes, json_from_wire, wire_from_json

_JSON = orjson.OPT_SERIALIZE_NUMPY
# Headers that came before: what they say is decided by their bytes alone. Bounded, so that ever
# new headers (an id in each request) cost a miss and no memory.
_KNOWN_MAX = 512
_KNOWN_HEADER_BYTES = 2048
_MAX_ERROR = 4096


class _Known(NamedTuple):
    call: Call
    sizes: tuple[int, ...]  # of the binary tensors behind the header
    total: int  # header and tensors together


class HttpAnswer(NamedTuple):
    """A response to an inference request."""

    start: bytes  # status line, HTTP headers and the JSON
    header: bytes  # the JSON alone
    tensors: Sequence[Buffer] | None  # what follows the JSON; None: it says everything


class _KnownAnswer(NamedTuple):
    call: Call
    form: Form
    start: bytes
    header: bytes


class JsonCodec:
    """Bytes <-> requests and responses of one loaded model."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._known: dict[bytes, _Known] = {}
        self._raw_calls: dict[int, Call] = {}  # by size of the body
        self._answers: dict[int, _KnownAnswer] = {}  # by the identity of their calls

    def decode(self, body: Buffer, header_length: int | None) -> tuple[Call, list[Buffer]]:
        """A request's body as a checked call and its tensors. Raises `ServeError`."""
        if header_length == 0:
            return self._raw(body)
        if header_length is None:
            header_length = len(body)
        header = bytes(body[:header_length])
        known = self._known.get(header)
        if known is not None and known.total == len(body):
            view = memoryview(body)
            if len(known.sizes) == 1:
                return known.call, [view[header_length:]]
            return known.call, _split(view, header_length, known.sizes)
        if header_length > len(body):
            raise invalid(
                f"Inference-Header-Content-Length is {header_length}, but the body has "
                f"{len(body)} bytes"
            )
        return self._decode(header, body)

    def _decode(self, header: bytes, body: Buffer) -> tuple[Call, list[Buffer]]:
        call, data, sizes = self._checked(parsed(header), [], len(header), body)
        if all(size >= 0 for size in sizes) and "BYTES" not in {each.dtype for each in call.inputs}:
            self._remember(header, _Known(call, sizes, len(body)))
        return call, data

    def decode_large(self, body: Buffer, header_length: int) -> large_json.Steps:
        """`decode` in many short steps, for JSON that is larger than `large_json.LARGE_BYTES`."""
        header = bytes(body[:header_length])
        value, arrays = yield from large_json.parsed(header)
        call, data, _ = self._checked(value, arrays, header_length, body)
        yield len(body) + len(header) + large_json.held_bytes(data, call.sizes)
        yield from large_json.tensors(data, call.inputs)
        return call, data

    def _checked(
        self, value: Any, arrays: list[large_json.Numbers], header_length: int, body: Buffer
    ) -> tuple[Call, list[Any], tuple[int, ...]]:
        request = object_of(value)
        stated = parameters_of(request, "request")
        binary_output = stated.pop("binary_data_output", False)
        if not isinstance(binary_output, bool):
            raise invalid("parameter 'binary_data_output' must be true or false")
        texts = array_of(request, "inputs", "request")
        inputs = [input_of(each) for each in texts]
        outputs = [output_of(each) for each in array_of(request, "outputs", "", ())]
        call = self.contract.call(id_of(request), inputs, outputs, stated, binary=binary_output)
        large_json.put_back(texts, arrays)
        return call, *_tensors(call, texts, memoryview(body), header_length)

    def _remember(self, header: bytes, known: _Known) -> None:
        if len(header) <= _KNOWN_HEADER_BYTES:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[header] = known

    def _raw(self, body: Buffer) -> tuple[Call, list[Buffer]]:
        if len(self.contract.inputs) != 1:
            raise invalid(
                "a raw binary request (header length 0) needs a model with one input, "
                f"'{self.contract.name}' has {len(self.contract.inputs)}"
            )
        known = self._raw_calls.get(len(body))
        if known is not None:
            return known, [body]
        (rule,) = self.contract.inputs.values()
        shape = _raw_shape(rule, len(body), batching=self.contract.max_batch_size > 0)
        data: Buffer = body
        if rule.dtype == "BYTES":
            data = len(body).to_bytes(4, "little") + bytes(body)
        call = self.contract.call(
            "", [CallInput(rule.name, rule.dtype, shape)], [], {}, binary=True
        )
        _check_size(call, 0, len(data))
        if rule.dtype != "BYTES":
            if len(self._raw_calls) >= _KNOWN_MAX:
                self._raw_calls.clear()
            self._raw_calls[len(body)] = call
        return call, [data]

    def encode(self, call: Call, response: InferResponse) -> HttpAnswer:
        """A response to `call`. Raises `ServeError` for what JSON cannot say."""
        known = self._answers.get(id(call))
        if known is not None and known.form is response.form and known.call is call:
            return HttpAnswer(known.start, known.header, response.data)
        return self._encode(call, response)

    def known_start(self, call: Call, form: Form) -> bytes | None:
        """What stands before the data of every answer of this form to `call`, where it is known."""
        known = self._answers.get(id(call))
        if known is None or known.call is not call or known.form is not form:
            return None
        return known.start

    def _encode(self, call: Call, response: InferResponse) -> HttpAnswer:
        outputs = answered(self.contract, call, response)
        binary = [wanted.binary for wanted in asked_of(call, response.form)]
        header = orjson.dumps(_response(call, response.form, outputs, binary), option=_JSON)
        if not any(binary):
            return HttpAnswer(infer_head(None, len(header)) + header, header, None)
        data = [each.data for each, flag in zip(outputs, binary, strict=True) if flag]
        total = len(header) + sum(map(len, data))
        start = infer_head(len(header), total) + header
        if all(binary) and differs_in_data_alone(call, response.form):
            if len(self._answers) >= _KNOWN_MAX:
                self._answers.clear()
            self._answers[id(call)] = _KnownAnswer(call, response.form, start, header)
        return HttpAnswer(start, header, data)


def _split(view: memoryview, start: int, sizes: Sequence[int]) -> list[Buffer]:
    parts: list[Buffer] = []
    for size in sizes:
        parts.append(view[start : start + size])
        start += size
    return parts


def _tensors(
    call: Call, texts: list[dict[str, Any]], body: memoryview, offset: int
) -> tuple[list[Any], tuple[int, ...]]:
    """Each input's data, and its size behind the header (-1: it stood in the JSON)."""
    data: list[Any] = []
    sizes = []
    for index, (each, text) in enumerate(zip(call.inputs, texts, strict=True)):
        size = parameters_of(text, f"input '{each.name}'").get("binary_data_size")
        if size is None:
            if "data" not in text:
                raise invalid(f"input '{each.name}' has neither 'data' nor 'binary_data_size'")
            given = text["data"]
            if not isinstance(given, large_json.Numbers):
                given = wire_from_json(given, each.dtype, each.shape, each.name)
            data.append(given)
            sizes.append(-1)
            continue
        if "data" in text:
            raise invalid(f"input '{each.name}' has both 'data' and 'binary_data_size'")
        if type(size) is not int or size < 0 or size > len(body) - offset:
            raise invalid(
                f"input '{each.name}': 'binary_data_size' is {size!r}, but the body has "
                f"{len(body) - offset} bytes left for it"
            )
        _check_size(call, index, size)
        part = body[offset : offset + size]
        if each.dtype == "BYTES":
            check_bytes(part, each.shape, each.name)
        data.append(part)
        sizes.append(size)
        offset += size
    if offset != len(body):
        raise invalid(f"unexpected additional input data: {len(body) - offset} bytes are left")
    return data, tuple(sizes)


def _check_size(call: Call, index: int, size: int) -> None:
    expected = call.sizes[index]
    if expected not in (-1, size):
        raise invalid(
            f"input byte size mismatch for input '{call.inputs[index].name}': "
            f"expected {expected}, got {size}"
        )


def _raw_shape(rule: TensorRule, size: int, *, batching: bool) -> tuple[int, ...]:
    """The shape of a raw binary request's tensor: one variable dim at most follows from size."""
    batch = (1,) if batching else ()
    variable = sum(dim < 0 for dim in rule.dims)
    if rule.dtype == "BYTES":
        if rule.dims != (1,):
            raise invalid(
                f"a raw binary request holds one BYTES element, for dims [1]; input '{rule.name}' "
                f"has the dims {list(rule.dims)}"
            )
        return (*batch, 1)
    if variable > 1:
        raise invalid(
            f"the shape of input '{rule.name}' cannot be told from a raw binary request: dims "
            f"{list(rule.dims)} leave more than one open"
        )
    known = math.prod(dim for dim in rule.dims if dim > 0) * SIZES[rule.dtype]
    return (*batch, *(dim if dim > 0 else size // known for dim in rule.dims))


def _response(
    call: Call, form: Form, outputs: Sequence[OutputTensor], binary: Sequence[bool]
) -> dict[str, Any]:
    value: dict[str, Any] = {"id": call.id} if call.id else {}
    value["model_name"] = form.model_name
    value["model_version"] = form.model_version
    if form.parameters:
        value["parameters"] = form.parameters
    value["outputs"] = [*map(_described, outputs, binary)]
    return value


def _described(output: OutputTensor, binary: bool) -> dict[str, Any]:
    value: dict[str, Any] = {"name": output.name, "datatype": output.dtype, "shape": output.shape}
    if binary:
        value["parameters"] = {"binary_data_size": len(output.data)}
    else:
        value["data"] = json_from_wire(output.data, output.dtype, output.name)
    return value


def error_body(message: str) -> bytes:
    """The body of every answer that is an error. It may quote what the client sent.

    File names may hold what is no UTF-8: an error must not fail for that.
    """
    return orjson.dumps({"error": message[:_MAX_ERROR].encode(errors="replace").decode()})
