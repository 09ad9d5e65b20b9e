"""A Python model that a test holds and releases, so that no clock decides what happens first."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from trtserve.protocols.messages import message

from tests.serve.models import put_python

# Notes each batch when it begins, as a line of its process id and the values of its requests, and
# runs on when none of these is held. Answers with the values and, in OUTPUT1, its process id.
CODE = """
import json
import os
import pathlib
import time
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.marks = pathlib.Path(config["parameters"]["marks"]["string_value"])

    def execute(self, requests):
        given = [pb_utils.get_input_tensor_by_name(each, "INPUT0").as_numpy() for each in requests]
        values = [int(each.ravel()[0]) for each in given]
        with (self.marks / "batches").open("a") as batches:
            batches.write(" ".join(map(str, [os.getpid(), *values])) + "\\n")
        for value in values:
            while (self.marks / f"hold-{value}").exists():
                time.sleep(0.002)
        pid = np.array([[os.getpid()]], np.int32)
        return [
            pb_utils.InferenceResponse([
                pb_utils.Tensor("OUTPUT0", each), pb_utils.Tensor("OUTPUT1", pid[: len(each)])
            ]) for each in given
        ]
"""
CONFIG = """
backend: "python"
max_batch_size: %d
input { name: "INPUT0" data_type: TYPE_INT32 dims: [-1] %s }
output { name: "OUTPUT0" data_type: TYPE_INT32 dims: [-1] }
output { name: "OUTPUT1" data_type: TYPE_INT32 dims: [1] }
parameters { key: "marks" value { string_value: "%s" } }
"""


class Gate:
    """What a gated model has begun, and what it may not finish yet."""

    def __init__(self, marks: Path) -> None:
        self._marks = marks

    @contextmanager
    def held(self, value: int) -> Iterator[None]:
        """A request of this value does not come to its end within."""
        mark = self._marks / f"hold-{value}"
        mark.touch()
        try:
            yield
        finally:
            mark.unlink()

    def _lines(self) -> list[list[int]]:
        file = self._marks / "batches"
        text = file.read_text() if file.exists() else ""
        return [[int(value) for value in line.split()] for line in text.splitlines()]

    @property
    def batches(self) -> list[list[int]]:
        """The values of each batch that has begun."""
        return [values for _, *values in self._lines()]

    def process_of(self, value: int) -> int:
        """The process id of the instance that has begun with this value."""
        return next(process for process, *values in self._lines() if value in values)

    def until_running(self, value: int) -> None:
        """Wait until a batch with this value has begun."""
        until(lambda: any(value in batch for batch in self.batches))


def put_gated(
    repository: Path, name: str, batching: str = "", *, max_batch_size: int = 1, input_: str = ""
) -> Gate:
    """Write the model; `batching`: the rest of its config."""
    marks = repository.parent / f"{repository.name}-{name}-marks"
    marks.mkdir()
    put_python(repository, name, CODE, CONFIG % (max_batch_size, input_, marks) + batching)
    return Gate(marks)


def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what must come to pass."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.002)


def request_of(
    model: str, *values: int, shape: tuple[int, ...] | None = None, id_: str = "", **parameters: int
) -> bytes:
    """A ModelInferRequest with one INT32 input, [1, N] unless `shape` says otherwise."""
    made = message("ModelInferRequest")(model_name=model, id=id_)
    made.inputs.add(name="INPUT0", datatype="INT32", shape=shape or (1, len(values)))
    made.raw_input_contents.append(b"".join(value.to_bytes(4, "little") for value in values))
    for name, value in parameters.items():
        made.parameters[name].int64_param = value
    return bytes(made.SerializeToString())


class Asking:
    """A gRPC channel to a server; `ask` sends at once and returns what will hold the answer."""

    def __init__(self, address: str) -> None:
        self.channel = grpc.insecure_channel(address)
        self._infer = self.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

    def ask(self, model: str, *values: int, **more: Any) -> Any:
        """The future of a request's answer, which `answer` reads."""
        return self._infer.future(request_of(model, *values, **more), timeout=60)

    def close(self) -> None:
        self.channel.close()


def answer(future: Any) -> list[int]:
    """The values of OUTPUT0. Raises `grpc.RpcError`."""
    response = message("ModelInferResponse").FromString(future.result())
    data = response.raw_output_contents[0]
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def refusal(future: Any) -> tuple[grpc.StatusCode, str]:
    """Code and text of an answer that is an error."""
    error = future.exception()
    return error.code(), error.details()
