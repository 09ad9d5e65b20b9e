"""A thousand inference requests over HTTP: good, odd and bad ones, the same in every run."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

# name -> (data type, dims, max_batch_size); each is an identity from INPUT0 to OUTPUT0.
MODELS: dict[str, tuple[str, tuple[int, ...], int]] = {
    "float": ("FP32", (16,), 8),
    "open": ("INT64", (-1, 2), 4),
    "flat": ("UINT8", (4,), 0),
    "truth": ("BOOL", (3,), 2),
    "half": ("FP16", (2,), 2),
    "double": ("FP64", (-1,), 8),
    "text": ("BYTES", (-1,), 4),
    "word": ("BYTES", (1,), 2),
    "count": ("UINT64", (2,), 3),
}
NUMPY = {"FP32": "<f4", "INT64": "<i8", "UINT8": "u1", "BOOL": "?", "FP16": "<f2", "FP64": "<f8",
         "INT32": "<i4", "UINT64": "<u8"}  # fmt: skip


class Question(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


def questions(count: int, seed: int = 4) -> Iterator[Question]:
    """`count` requests."""
    chance = random.Random(seed)
    for _ in range(count):
        name = chance.choice(list(MODELS))
        good = _Request(name, chance)
        if chance.random() < 0.6:
            change = chance.choice(_CHANGES)
            change(good, chance)
        yield good.question()


class _Request:
    """A good request, in a form that is easily spoiled."""

    def __init__(self, name: str, chance: random.Random) -> None:
        self.name = name
        self.dtype, dims, batch = MODELS[name]
        open_dim = chance.randint(1, 5)
        self.shape: Any = [dim if dim > 0 else open_dim for dim in dims]
        if batch:
            self.shape.insert(0, chance.randint(1, batch))
        self.count = int(np.prod(self.shape))
        self.values = values_of(self.dtype, self.count, chance)
        self.binary = self.dtype == "FP16" or chance.random() < 0.5
        self.json: dict[str, Any] = {
            "inputs": [{"name": "INPUT0", "datatype": self.dtype, "shape": self.shape}]
        }
        self.binary_out = self.dtype == "FP16" or chance.random() < 0.5
        if chance.random() < 0.5:
            self.json["id"] = chance.choice(["", "a", "request 7", "ü"])
        self.data = wire(self.values, self.dtype)
        if self.binary:
            self.input["parameters"] = {"binary_data_size": len(self.data)}
        else:
            self.input["data"] = list(self.values)
            if chance.random() < 0.5:
                self.input["data"] = _nested(self.values, self.shape)
        if chance.random() < 0.5:
            self.json["outputs"] = [
                {"name": "OUTPUT0", "parameters": {"binary_data": self.binary_out}}
            ]
        else:
            self.json["parameters"] = {"binary_data_output": self.binary_out}
        self.tail = b""
        self.length: int | None = None
        self.coding = ""  # of the body
        self.headers: dict[str, str] = {}
        self.header: bytes | None = None
        self.path = f"/v2/models/{name}/infer"

    @property
    def input(self) -> dict[str, Any]:
        """The one input."""
        first: dict[str, Any] = self.json["inputs"][0]
        return first

    def question(self) -> Question:
        """As a request."""
        header = json.dumps(self.json).encode() if self.header is None else self.header
        headers = dict(self.headers)
        body = header
        if self.binary or self.tail or self.length is not None:
            length = len(header) if self.length is None else self.length
            headers.setdefault("Inference-Header-Content-Length", str(length))
            body += (self.data if self.binary else b"") + self.tail
        if self.coding:
            compress = gzip.compress if self.coding == "gzip" else zlib.compress
            body = compress(body)
            headers["Content-Encoding"] = self.coding
        return Question("POST", self.path, headers, body)


def values_of(dtype: str, count: int, chance: random.Random) -> list[Any]:
    if dtype == "BYTES":
        return [chance.choice(["", "a", "two words", "ünï", "x" * 40]) for _ in range(count)]
    if dtype == "BOOL":
        return [chance.random() < 0.5 for _ in range(count)]
    if dtype in ("FP32", "FP64", "FP16"):
        return [float(np.float16(chance.uniform(-4, 4))) for _ in range(count)]
    return [chance.randint(0, 200) for _ in range(count)]


def wire(values: list[Any], dtype: str) -> bytes:
    if dtype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return np.array(values, NUMPY[dtype]).tobytes()


def _nested(values: list[Any], shape: list[int]) -> Any:
    for size in reversed(shape[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values


def _set(key: str, *choices: Any) -> Callable[[_Request, random.Random], None]:
    def change(request: _Request, chance: random.Random) -> None:
        request.input[key] = chance.choice(choices)

    return change


def _top(key: str, *choices: Any) -> Callable[[_Request, random.Random], None]:
    def change(request: _Request, chance: random.Random) -> None:
        request.json[key] = chance.choice(choices)
        if key == "inputs":
            request.binary = False

    return change


def _drop(key: str) -> Callable[[_Request, random.Random], None]:
    def change(request: _Request, chance: random.Random) -> None:
        (request.input if chance.random() < 0.7 else request.json).pop(key, None)

    return change


def _shape(request: _Request, chance: random.Random) -> None:
    index = chance.randrange(len(request.shape))
    changes: list[Callable[[], Any]] = [
        lambda: request.shape.pop(index),
        lambda: request.shape.insert(index, chance.choice([0, 1, 3])),
        lambda: request.shape.__setitem__(index, chance.choice([0, -1, 9])),
    ]
    chance.choice(changes)()


def _size(request: _Request, chance: random.Random) -> None:
    request.binary = True
    request.input.pop("data", None)
    request.input["parameters"] = {
        "binary_data_size": chance.choice([0, 1, len(request.data) + 1, len(request.data) - 1, -1,
                                           2**40, "4", None, True]),
    }  # fmt: skip


def _cut(request: _Request, chance: random.Random) -> None:
    request.data = request.data[: chance.randrange(len(request.data) + 1)]


def _tail(request: _Request, chance: random.Random) -> None:
    request.tail = bytes(chance.randint(1, 9))


def _length(request: _Request, chance: random.Random) -> None:
    request.length = chance.choice([1, 5, 10**6, 2**40])


def _length_text(request: _Request, chance: random.Random) -> None:
    request.headers["Inference-Header-Content-Length"] = chance.choice(["-1", "x", "1.5"])


def _json_value(request: _Request, chance: random.Random) -> None:
    values = list(request.values)
    values[chance.randrange(len(values))] = chance.choice(
        [None, "text", 1.5, 2**70, -1, True, [], {}, 300]
    )
    request.input.pop("parameters", None)
    request.input["data"] = values
    request.binary = False


def _json_count(request: _Request, chance: random.Random) -> None:
    request.input.pop("parameters", None)
    request.input["data"] = chance.choice(
        [request.values[:-1], request.values * 2, [], "text", None, {}, 7]
    )
    request.binary = False


def _header(request: _Request, chance: random.Random) -> None:
    header = json.dumps(request.json).encode()
    request.header = chance.choice(
        [header[:-1], b"", b"[]", b"null", b"7", header.replace(b"{", b"[", 1), b"\xff" + header]
    )


def _raw(request: _Request, chance: random.Random) -> None:
    """A raw binary request: no JSON, the one input's bytes."""
    request.binary = True
    request.header, request.length = b"", 0
    if chance.random() < 0.4:
        request.data = request.data[: chance.randrange(len(request.data) + 1)]


def _compressed(request: _Request, chance: random.Random) -> None:
    request.coding = chance.choice(["gzip", "deflate"])


def _accepting(request: _Request, chance: random.Random) -> None:
    request.headers["Accept-Encoding"] = chance.choice(
        ["gzip", "deflate", "identity", "gzip, deflate", "deflate, gzip", "br", "", "*"]
    )


def _second(request: _Request, chance: random.Random) -> None:
    extra = dict(request.input)
    extra["name"] = chance.choice(["INPUT0", "INPUT1", ""])
    request.json["inputs"].append(extra)
    request.data *= 2


def _path(request: _Request, chance: random.Random) -> None:
    name = request.name
    request.path = chance.choice(
        [f"/v2/models/{name}/versions/1/infer", f"/v2/models/{name}/versions/2/infer",
         f"/v2/models/{name}/versions/x/infer", "/v2/models/none/infer", "/v2/models//infer",
         f"/v2/models/{name}/infer/more", f"/v2/models/{name}/versions/1"]
    )  # fmt: skip


_CHANGES: list[Callable[[_Request, random.Random], None]] = [
    _shape, _shape, _size, _cut, _tail, _length, _length_text, _json_value, _json_value,
    _json_count, _header, _second, _path,
    _raw, _raw, _compressed, _accepting,
    _set("name", "INPUT1", "", 7, None, "input0"),
    _set("datatype", "FP32", "INT32", "BYTES", "FP99", "", 7, None, "fp32"),
    _set("shape", [], 7, "1", None, [1.5], ["1"], [[1]]),
    _set("parameters", 7, [], None, {"unknown": 1}, {"classification": 1}),
    _drop("name"), _drop("datatype"), _drop("shape"), _drop("inputs"),
    _top("inputs", [], {}, None, 7, [7], [None]),
    _top("id", 7, None, [], "long" * 100),
    _top("outputs", [], [{"name": "OTHER"}], [{}], [7], {}, 7,
         [{"name": "OUTPUT0", "parameters": {"classification": 2}}],
         [{"name": "OUTPUT0", "parameters": {"classification": 0}}],
         [{"name": "OUTPUT0", "parameters": {"classification": -1}}],
         [{"name": "OUTPUT0", "parameters": {"binary_data": 1}}],
         [{"name": "OUTPUT0"}, {"name": "OUTPUT0"}]),
    _top("parameters", 7, [], {"binary_data_output": 1}, {"priority": 1}, {"priority": -1},
         {"timeout": 1000}, {"timeout": "x"}, {"custom": {}}, {"custom": "x"}, {"custom": 1.5},
         {"triton_custom": 1}, {"sequence_id": 7}, {"sequence_start": "x"}),
    _top("unknown", 1),
]  # fmt: skip
