"""The same repository of Python models, served by Triton 2.51 and by us, asked the same.

`DIFFERENT` lists what differs on purpose: (Triton's status, ours, a word of ours) and why.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serve.conftest import Running
from tests.serve.differential.corpus import MODELS, Question, questions
from tests.serve.differential.triton import PYTHON, Triton

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not PYTHON.exists(), reason="no tritonserver: nvidia-pytriton is not installed"
    ),
    pytest.mark.xdist_group("triton"),
]
COUNT = 1000
# The utils first: they choose the NumPy that Triton's stub can read (see triton.py).
MODEL = """
import triton_python_backend_utils as pb_utils
import numpy as np


class TritonPythonModel:
    def execute(self, requests):
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor("OUTPUT0", np.array(
                pb_utils.get_input_tensor_by_name(request, "INPUT0").as_numpy()))])
            for request in requests
        ]
"""
# Triton's status, ours -> why. Triton's 0: it crashed or hung and had to be started again.
DIFFERENT = {
    (500, 400): "JSON of a wrong type or syntax is the client's fault: never 5xx",
    (0, 400): "huge shapes and torn BYTES end Triton or its model's process; we refuse them",
}
# Where Triton answers and we refuse, and why.
REFUSED = {
    "cannot hold": "a number that wraps around is a wrong answer without a word",
    "must be an object": "'parameters' that are no object are ignored by Triton",
    "zero-length": "an empty body is no request",
    "is no": "values of another JSON type are converted by Triton",
    "reserved": "parameter names that begin with triton_ are reserved since 25.x",
    "must be a length": "a header that is no number is taken for the number it begins with",
    "must be true or false": "flags that are no booleans are ignored by Triton",
    "elements": "Triton reads as many elements as it needs and drops the rest",
    "must be a string": "values of another JSON type are converted by Triton",
    "but the body has": "a header length that overflows is read as another number by Triton",
    "additional input data": "bytes that nothing describes are dropped by Triton",
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    for name, (dtype, dims, batch) in MODELS.items():
        kind = "TYPE_STRING" if dtype == "BYTES" else f"TYPE_{dtype}"
        tensor = f"data_type: {kind} dims: {list(dims)}"
        (folder / name / "1").mkdir(parents=True)
        (folder / name / "1" / "model.py").write_text(MODEL)
        (folder / name / "config.pbtxt").write_text(
            f'backend: "python"\nmax_batch_size: {batch}\ninput {{ name: "INPUT0" {tensor} }}\n'
            f'output {{ name: "OUTPUT0" {tensor} }}\n' + ("dynamic_batching {}" if batch else "")
        )
    return folder


Answer = tuple[int, dict[str, str], bytes]


class Peer:
    """Triton, started again whenever a request has ended or stopped it."""

    def __init__(self, repository: Path, directory: Path) -> None:
        self._repository, self._directory = repository, directory
        self._starts = 0
        self._start()

    def _start(self) -> None:
        folder = self._directory / str(self._starts)
        folder.mkdir()
        self._starts += 1
        self._triton = Triton(self._repository, folder)
        self._connection = http.client.HTTPConnection("127.0.0.1", self._triton.http_port, 3)
        self._connection.timeout = 3

    def ask(self, question: Question) -> Answer:
        try:
            answer = ask(self._connection, question)
        except (OSError, http.client.HTTPException):
            answer = (0, {}, b"")
        if answer[0] == 0 or b"is not healthy" in answer[2]:
            self.stop()
            self._start()
            return (0, {}, b"")
        return answer

    def stop(self) -> None:
        self._connection.close()
        self._triton.process.kill()
        self._triton.process.wait()


@pytest.fixture(scope="module")
def peer(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    peer = Peer(repository, tmp_path_factory.mktemp("triton"))
    yield peer
    peer.stop()


def ask(connection: http.client.HTTPConnection, question: Question) -> Answer:
    connection.request(question.method, question.path, question.body, question.headers)
    response = connection.getresponse()
    return response.status, dict(response.getheaders()), response.read()


def meaning(answer: Answer, dtype: str) -> Any:
    """A good answer: header, tensors, content type; numbers of JSON by their data type."""
    status, headers, body = answer
    length = headers.get("Inference-Header-Content-Length")
    header = json.loads(body if length is None else body[: int(length)])
    for output in header["outputs"]:
        if "data" in output and dtype == "FP32" and output["datatype"] == "FP32":
            # We write the shortest decimal of a float, Triton that of the double it becomes.
            output["data"] = np.array(output["data"], np.float32).tolist()
    tensors = b"" if length is None else body[int(length) :]
    return status, header, tensors, headers["Content-Type"]


def test_the_same_answers_as_triton(
    start: Callable[..., Running], repository: Path, peer: Peer
) -> None:
    server = start(repository, grpc_port=-1, metrics_port=-1)
    connection = http.client.HTTPConnection(server.http, timeout=30)
    same, wrong = 0, []
    for question in questions(COUNT):
        theirs, ours = peer.ask(question), ask(connection, question)
        assert ours[0] == 200 or json.loads(ours[2])["error"]
        name = question.path.split("/")[3] if question.path.count("/") > 3 else ""
        dtype = MODELS.get(name, ("",))[0]
        if theirs[0] == ours[0] == 200:
            equal = meaning(theirs, dtype) == meaning(ours, dtype)
        else:
            equal = theirs[0] == ours[0] or (theirs[0], ours[0]) in DIFFERENT
            if theirs[0] == 200 and ours[0] == 400:
                equal = any(word in ours[2].decode() for word in REFUSED)
        same += theirs[0] == ours[0]
        if not equal:
            wrong.append((theirs, ours, question))
    connection.close()
    assert not wrong, f"{len(wrong)} answers differ, the first: {wrong[:5]}"
    assert same > COUNT * 0.7
