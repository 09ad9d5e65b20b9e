"""Python models answer in an order of their own, leave outputs out, give one twice: as Triton 2.51.

What it does was tried on it: what there is is answered in the model's order, and what the client
asked of an output is found by its name. (Of an output given twice, Triton's gRPC mixes the shapes.)
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import grpc
import numpy as np
import pytest
from trtserve.protocols.messages import message

from tests.serve.conftest import Running
from tests.serve.models import put_python

# Answers with the outputs that a request's number stands for, in this order.
KINDS: Sequence[Sequence[str]] = (
    ["A", "B"], ["B", "A"], ["A"], [], ["B", "A", "B"], ["B"], ["C"], ["B", "C"]
)  # fmt: skip
CODE = f"""
import numpy as np
import triton_python_backend_utils as pb_utils

KINDS = {KINDS!r}
VALUES = {{"A": [[1, 2, 3]], "B": [[30, 20, 10]], "C": [[0, 0, 0]]}}


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([
            pb_utils.Tensor(name, np.array(VALUES[name], np.float32))
            for name in KINDS[request.inputs()[0].as_numpy()[0, 0]]]) for request in requests]
"""
CONFIG = """
backend: "python"
max_batch_size: 8
input { name: "DO" data_type: TYPE_INT32 dims: [1] }
output { name: "A" data_type: TYPE_FP32 dims: [3] }
output { name: "B" data_type: TYPE_FP32 dims: [3] }
"""
VALUES = {"A": [1.0, 2.0, 3.0], "B": [30.0, 20.0, 10.0]}
CLASSES = {"A": [b"3.000000:2", b"2.000000:1"], "B": [b"30.000000:0", b"20.000000:1"]}
Said = dict[str, dict[str, Any]]
CLASSIFIED: Said = {"A": {"classification": 2}, "B": {}}
# What a client asks of each output; None: it names none, and takes all as binary.
ASKED: Mapping[str, Said | None] = {
    "all": None,
    "binary": {"A": {"binary_data": True}, "B": {"binary_data": True}},
    "A as classes": CLASSIFIED,
    "B as classes": {"A": {}, "B": {"classification": 2}},
    "A as binary": {"A": {"binary_data": True}, "B": {}},
    "B as binary classes": {"B": {"binary_data": True, "classification": 2}, "A": {}},
    "A alone": {"A": {"binary_data": True}},
}
# Each kind three times and more, since a connection learns what comes again; then they alternate.
SENT = [kind for kind in range(len(KINDS)) for _ in range(4)] + [0, 1, 2, 3, 4, 5, 6, 7] * 2 + [
    0, 0, 0, 1, 0, 2, 0, 3, 0, 0, 0, 2, 1, 1, 1, 0]  # fmt: skip
Found = list[tuple[str, list[Any]]]


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put_python(repository, "m", CODE, CONFIG)
    return start(repository)


def expected(kind: int, asked: Said | None) -> Found:
    wanted: Said = asked or {"A": {}, "B": {}}
    return [
        (name, CLASSES[name] if "classification" in wanted[name] else VALUES[name])
        for name in KINDS[kind] if name in wanted
    ]  # fmt: skip


class Http:
    """One connection: the same JSON for every kind, which is in the tensor behind it."""

    def __init__(self, server: Running) -> None:
        port = server.server.ports["http"]
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=10)

    def ask(self, kind: int, asked: Said | None) -> Found:
        header: dict[str, Any] = {"inputs": [
            {"name": "DO", "shape": [1, 1], "datatype": "INT32",
             "parameters": {"binary_data_size": 4}}]}  # fmt: skip
        if asked is None:
            header["parameters"] = {"binary_data_output": True}
        else:
            header["outputs"] = [{"name": n, "parameters": p} for n, p in asked.items()]
        text = json.dumps(header).encode()
        head = (
            "POST /v2/models/m/infer HTTP/1.1\r\nHost: a\r\n"
            f"Inference-Header-Content-Length: {len(text)}\r\n"
            f"Content-Length: {len(text) + 4}\r\n\r\n"
        )
        # All in one piece: then a connection takes the short cut for what it knows.
        self._connection.sendall(head.encode() + text + struct.pack("<i", kind))
        response = HTTPResponse(self._connection)
        response.begin()
        body = response.read()
        assert response.status == 200, body
        assert int(response.headers["Content-Length"]) == len(body)
        length = int(response.headers.get("Inference-Header-Content-Length", len(body)))
        wanted: Said = asked or {"A": {"binary_data": True}, "B": {"binary_data": True}}
        return list(self._tensors(json.loads(body[:length]), body[length:], wanted))

    @staticmethod
    def _tensors(header: dict[str, Any], data: bytes, asked: Said) -> Iterator[tuple[str, Any]]:
        for each in header["outputs"]:
            name, size = each["name"], each.get("parameters", {}).get("binary_data_size")
            assert (size is not None) == asked[name].get("binary_data", False)
            if size is None:
                as_text = each["datatype"] == "BYTES"
                yield name, [v.encode() if as_text else v for v in each["data"]]
            else:
                yield name, values(each["datatype"], each["shape"], data[:size])
                data = data[size:]
        assert data == b""

    def close(self) -> None:
        self._connection.close()


class Grpc:
    """One channel."""

    def __init__(self, server: Running) -> None:
        self._channel = grpc.insecure_channel(server.grpc)
        self._infer = self._channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def ask(self, kind: int, asked: Said | None) -> Found:
        request = message("ModelInferRequest")(model_name="m")
        request.inputs.add(name="DO", datatype="INT32", shape=(1, 1))
        for name, parameters in (asked or {}).items():
            output = request.outputs.add(name=name)
            if "classification" in parameters:
                output.parameters["classification"].int64_param = 2
        request.raw_input_contents.append(struct.pack("<i", kind))
        found = self._infer(request.SerializeToString(), timeout=10)
        response: Any = message("ModelInferResponse").FromString(found)
        assert response.model_name == "m"
        return [
            (each.name, values(each.datatype, each.shape, data))
            for each, data in zip(response.outputs, response.raw_output_contents, strict=True)
        ]

    def close(self) -> None:
        self._channel.close()


def values(dtype: str, shape: Sequence[int], data: bytes) -> list[Any]:
    assert list(shape) == ([1, 2] if dtype == "BYTES" else [1, 3])
    if dtype == "FP32":
        return list(np.frombuffer(data, np.float32).tolist())
    found: list[Any] = []
    while data:
        end = 4 + int.from_bytes(data[:4], "little")
        found.append(data[4:end])
        data = data[end:]
    return found


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
@pytest.mark.parametrize("protocol", [Http, Grpc])
def test_outputs_are_known_by_their_names(
    server: Running, protocol: type[Http | Grpc], asked: Said | None
) -> None:
    client = protocol(server)
    for kind in SENT:
        assert client.ask(kind, asked) == expected(kind, asked), KINDS[kind]
    client.close()


TYPES = """
import numpy as np
import triton_python_backend_utils as pb_utils

ARRAYS = [np.zeros((1, 3), np.float16), np.array([[b"x"]], object), np.zeros((1, 3), bool),
          np.zeros((0, 3), np.float32), np.zeros((1, 0), np.float32), np.zeros((), np.float32)]


class TritonPythonModel:
    def execute(self, requests):
        return [pb_utils.InferenceResponse([pb_utils.Tensor("A", ARRAYS[
            request.inputs()[0].as_numpy()[0, 0]])]) for request in requests]
"""


@pytest.fixture(scope="module")
def typed(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("typed")
    put_python(repository, "m", TYPES, CONFIG)
    return start(repository)


@pytest.mark.parametrize(
    ("kind", "status", "said"),
    [
        (0, 400, "class result not available for output 'A' of model 'm' due to unsupported type "
                 "'FP16'"),
        (1, 400, "class result not available for output 'A' of model 'm' due to unsupported type "
                 "'BYTES'"),
        (2, 400, "class result not available for output 'A' of model 'm' due to unsupported type "
                 "'BOOL'"),
        (3, 200, ([0, 2], [])),
        (4, 200, ([1, 0], [])),
        (5, 200, ([1], ["0.000000:0"])),
    ],
)  # fmt: skip
def test_classes_of_what_is_not_as_the_config_says(
    typed: Running, kind: int, status: int, said: Any
) -> None:
    body = {"inputs": [{"name": "DO", "shape": [1, 1], "datatype": "INT32", "data": [kind]}],
            "outputs": [{"name": "A", "parameters": {"classification": 2}}]}  # fmt: skip
    connection = HTTPConnection(typed.http, timeout=10)
    connection.request("POST", "/v2/models/m/infer", json.dumps(body))
    response = connection.getresponse()
    found = json.loads(response.read())
    connection.close()
    assert response.status == status, found
    if status == 200:
        (output,) = found["outputs"]
        found = {"error": (output["shape"], output["data"])}
    assert found["error"] == said
