"""A thousand ModelInfer calls: good, odd and bad ones, the same in every run."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from tests.serve.differential.corpus import MODELS, values_of, wire

# Data type -> its field of InferTensorContents; FP16 has none.
CONTENTS = {
    "FP32": "fp32_contents", "FP64": "fp64_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "BOOL": "bool_contents", "BYTES": "bytes_contents",
    "INT32": "int_contents", "UINT64": "uint64_contents",
}  # fmt: skip


def calls(count: int, seed: int = 4) -> Iterator[bytes]:
    """`count` messages."""
    chance = random.Random(seed)
    for _ in range(count):
        call = _Call(chance.choice(list(MODELS)), chance)
        if chance.random() < 0.6:
            chance.choice(_CHANGES)(call, chance)
        yield call.message()


class _Call:
    """A good call, in a form that is easily spoiled."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.dtype, dims, batch = MODELS[name]
        self.shape = [dim if dim > 0 else chance.randint(1, 5) for dim in dims]
        if batch:
            self.shape.insert(0, chance.randint(1, batch))
        self.values = values_of(self.dtype, int(np.prod(self.shape)), chance)
        self.request: Any = service_pb2.ModelInferRequest(
            model_name=name, id=chance.choice(["", "", "a", "request 7", "ü"])
        )
        self.input = self.request.inputs.add(name="INPUT0", datatype=self.dtype, shape=self.shape)
        self.bytes: bytes | None = None  # instead of the message
        if chance.random() < 0.5:
            self.request.outputs.add(name="OUTPUT0")
        if self.dtype == "FP16" or chance.random() < 0.5:
            self.raw()
        else:
            self.typed()

    def raw(self) -> None:
        """Send the tensor's bytes."""
        self.input.ClearField("contents")
        self.request.raw_input_contents[:] = [wire(self.values, self.dtype)]

    def typed(self) -> None:
        """Send the tensor's numbers."""
        field = CONTENTS.get(self.dtype, "fp32_contents")
        values = [v.encode() if isinstance(v, str) else v for v in self.values]
        getattr(self.input.contents, field)[:] = values

    def message(self) -> bytes:
        """The bytes to send."""
        sent: bytes = self.request.SerializeToString()
        return sent if self.bytes is None else self.bytes


_Change = Callable[[_Call, random.Random], None]


def _field(name: str, *choices: Any) -> _Change:
    return lambda call, chance: setattr(call.input, name, chance.choice(choices))


def _top(name: str, *choices: Any) -> _Change:
    return lambda call, chance: setattr(call.request, name, chance.choice(choices))


def _shape(call: _Call, chance: random.Random) -> None:
    shape = list(call.shape)
    index = chance.randrange(len(shape))
    changes: list[Callable[[], Any]] = [
        lambda: shape.pop(index),
        lambda: shape.insert(index, chance.choice([0, 1, 3])),
        lambda: shape.__setitem__(index, chance.choice([0, -1, 9])),
        shape.clear,
    ]
    chance.choice(changes)()
    call.input.shape[:] = shape


def _raw_size(call: _Call, chance: random.Random) -> None:
    call.raw()
    data = call.request.raw_input_contents[0]
    data = chance.choice([data[:-1], b"", data + b"\0", data * 2, data[: len(data) // 2]])
    call.request.raw_input_contents[:] = [data]


def _raw_count(call: _Call, chance: random.Random) -> None:
    call.raw()
    data = call.request.raw_input_contents[0]
    call.request.raw_input_contents[:] = chance.choice([[data, data], [data, b""]])


def _both(call: _Call, chance: random.Random) -> None:
    if call.dtype != "FP16":
        call.raw()
        call.typed()


def _neither(call: _Call, chance: random.Random) -> None:
    call.input.ClearField("contents")
    del call.request.raw_input_contents[:]


def _typed_count(call: _Call, chance: random.Random) -> None:
    if call.dtype == "FP16":
        return
    del call.request.raw_input_contents[:]
    call.typed()
    held = getattr(call.input.contents, CONTENTS[call.dtype])
    held[:] = chance.choice([held[:-1], list(held) * 2, []])


def _other_contents(call: _Call, chance: random.Random) -> None:
    del call.request.raw_input_contents[:]
    call.input.ClearField("contents")
    field = chance.choice([each for each in CONTENTS.values() if each != CONTENTS.get(call.dtype)])
    value: Any = b"1" if field == "bytes_contents" else 1
    getattr(call.input.contents, field)[:] = [value] * len(call.values)


def _second_contents(call: _Call, chance: random.Random) -> None:
    del call.request.raw_input_contents[:]
    if call.dtype != "FP16":
        call.typed()
    field = chance.choice([each for each in CONTENTS.values() if each != CONTENTS.get(call.dtype)])
    getattr(call.input.contents, field)[:] = [b"1" if field == "bytes_contents" else 1]


def _large_number(call: _Call, chance: random.Random) -> None:
    if call.dtype != "UINT8":
        return
    del call.request.raw_input_contents[:]
    call.typed()
    call.input.contents.uint_contents[0] = chance.choice([256, 2**31])


def _second_input(call: _Call, chance: random.Random) -> None:
    extra = call.request.inputs.add()
    extra.CopyFrom(call.input)
    extra.name = chance.choice(["INPUT0", "INPUT1", ""])
    call.request.raw_input_contents.extend(call.request.raw_input_contents[:1])


def _no_inputs(call: _Call, chance: random.Random) -> None:
    del call.request.inputs[:]
    if chance.random() < 0.5:
        del call.request.raw_input_contents[:]


def _outputs(call: _Call, chance: random.Random) -> None:
    del call.request.outputs[:]
    for name in chance.choice([["OTHER"], [""], ["OUTPUT0", "OTHER"]]):
        call.request.outputs.add(name=name)


def _output_twice(call: _Call, chance: random.Random) -> None:
    del call.request.outputs[:]
    for _ in range(2):
        output = call.request.outputs.add(name="OUTPUT0")
        if chance.random() < 0.4:
            output.parameters["classification"].int64_param = chance.choice([1, 2, 100])


def _no_rows(call: _Call, chance: random.Random) -> None:
    call.raw()
    call.input.shape[0] = 0
    call.request.raw_input_contents[:] = [b""]


def _unsigned(call: _Call, chance: random.Random) -> None:
    name = chance.choice(["custom", "timeout", "sequence_id", "priority"])
    call.request.parameters[name].uint64_param = chance.choice([1, 2])


def _parameter(of: str) -> _Change:
    def change(call: _Call, chance: random.Random) -> None:
        if of == "output":
            del call.request.outputs[:]
            holder = call.request.outputs.add(name="OUTPUT0")
            names = ["classification", "binary_data", "custom"]
            if call.dtype == "BYTES" and chance.random() < 0.8:
                names.remove("classification")  # each one ends Triton, which costs seconds
        else:
            holder = call.request if of == "request" else call.input
            names = ["priority", "timeout", "sequence_id", "sequence_start", "sequence_end",
                     "custom", "triton_enable_empty_final_response", "triton_custom", "headers",
                     "binary_data_output"]  # fmt: skip
        parameter = holder.parameters[chance.choice(names)]
        kinds: list[tuple[str, list[Any]]] = [
            ("int64_param", [0, 1, 2, -1, 2**31 - 1]), ("bool_param", [True, False]),
            ("string_param", ["", "x", "1"]), ("double_param", [0.5]), ("uint64_param", [1, 2**63]),
        ]  # fmt: skip
        field, values = chance.choice(kinds)
        setattr(parameter, field, chance.choice(values))

    return change


def _torn(call: _Call, chance: random.Random) -> None:
    sent = call.message()
    call.bytes = chance.choice([sent[:-1], sent[: len(sent) // 2], b"\xff" * 9, b"\x3a\x7f"])


def _repeated(call: _Call, chance: random.Random) -> None:
    """Odd, but good: fields that come twice (the last holds), or that nobody knows."""
    sent = call.message()
    model = call.request.model_name.encode()
    call.bytes = chance.choice(
        [b"\x0a\x04none" + sent, sent + b"\x0a" + bytes([len(model)]) + model,
         sent + b"\xfa\x7f\x03abc", b"\xf8\x7f\x01" + sent]
    )  # fmt: skip


def _bytes_lengths(call: _Call, chance: random.Random) -> None:
    if call.dtype != "BYTES":
        return
    call.raw()
    data = call.request.raw_input_contents[0]
    length = struct.unpack_from("<I", data)[0]
    call.request.raw_input_contents[:] = [
        struct.pack("<I", chance.choice([length + 1, length - 1, 2**31, 2**32 - 1]) & 0xFFFFFFFF)
        + data[4:]
    ]


_CHANGES: list[_Change] = [
    _shape, _shape, _raw_size, _raw_size, _raw_count, _both, _neither, _typed_count, _typed_count,
    _other_contents, _second_contents, _large_number, _second_input, _no_inputs, _outputs,
    _output_twice, _no_rows, _unsigned,
    _parameter("request"), _parameter("request"), _parameter("output"), _parameter("output"),
    _parameter("input"), _torn, _repeated, _bytes_lengths,
    _field("name", "INPUT1", "", "input0"),
    _field("datatype", "FP32", "INT32", "BYTES", "FP99", "", "fp32"),
    _top("model_name", "none", "", "half "),
    _top("model_version", "1", "2", "x", "-1", "01"),
    _top("id", "long" * 100),
]  # fmt: skip
