"""curl, as people type it."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.serve.clients.served import Served
from tests.serve.clients.tools import program, run

JSON_BODY = json.dumps(
    {"inputs": [{"name": "INPUT0", "shape": [1, 16], "datatype": "FP32", "data": [0.5] * 16}]}
)
INFER = "/v2/models/identity/infer"


def curl(*arguments: str, data: bytes = b"") -> bytes:
    return run(program("curl", "curl"), "--silent", "--show-error", *arguments, data=data)


def test_json(served: Served) -> None:
    answer = json.loads(curl("-d", JSON_BODY, served.http + INFER))
    assert answer == {
        "model_name": "identity", "model_version": "1",
        "outputs": [{"name": "OUTPUT0", "datatype": "FP32", "shape": [1, 16], "data": [0.5] * 16}],
    }  # fmt: skip


def test_a_raw_binary_body(served: Served, tmp_path: Path) -> None:
    values = np.arange(16, dtype=np.float32)
    head = tmp_path / "head"
    body = curl(
        "-D", str(head), "--data-binary", "@-", "-H", "Inference-Header-Content-Length: 0",
        "-H", "Content-Type: application/octet-stream", served.http + INFER, data=values.tobytes(),
    )  # fmt: skip
    lines = dict(line.split(": ") for line in head.read_text().split("\n")[1:] if ": " in line)
    length = int(lines["Inference-Header-Content-Length"])
    (output,) = json.loads(body[:length])["outputs"]
    assert output["shape"] == [1, 16]
    assert body[length:] == values.tobytes()


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compression_both_ways(served: Served, coding: str) -> None:
    answer = curl(
        "-H", "Content-Encoding: gzip", "--compressed", "-H", f"Accept-Encoding: {coding}",
        "--data-binary", "@-",
        "-w", "%header{content-encoding}", served.http + INFER,
        data=gzip.compress(JSON_BODY.encode()),
    )  # fmt: skip
    assert answer.endswith(coding.encode())
    assert json.loads(answer[: -len(coding)])["outputs"][0]["data"] == [0.5] * 16


@pytest.mark.parametrize(("asked", "connects"), [("close", "1 1"), ("keep-alive", "1 0")])
def test_http_1_0(served: Served, asked: str, connects: str) -> None:
    output = curl(
        "--http1.0", "-H", f"Connection: {asked}", "-d", JSON_BODY, *[served.http + INFER] * 2,
        "-w", "\n%{http_code} %{num_connects}\n",
    )  # fmt: skip
    bodies, states = output.decode().split("\n")[:-1:2], output.decode().split("\n")[1::2]
    assert [json.loads(body)["outputs"][0]["data"] for body in bodies] == [[0.5] * 16] * 2
    assert states == [f"200 {each}" for each in connects.split()]


def test_keep_alive(served: Served) -> None:
    # curl writes how many connections each transfer had to open: only the first one.
    output = curl("-d", JSON_BODY, *[served.http + INFER] * 3, "-o", "/dev/null", "-o", "/dev/null",
                  "-o", "/dev/null", "-w", "%{http_code} %{num_connects}\n")  # fmt: skip
    assert output.decode().split("\n")[:3] == ["200 1", "200 0", "200 0"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_waits_for_100_continue(served: Served, chunked: bool) -> None:
    values = np.random.default_rng(5).random((4, 3, 224, 224), np.float32)
    header = json.dumps(
        {
            "parameters": {"binary_data_output": True},
            "inputs": [
                {"name": "INPUT0", "shape": list(values.shape), "datatype": "FP32",
                 "parameters": {"binary_data_size": values.nbytes}}
            ],
        }
    ).encode()  # fmt: skip
    how = ("-H", "Transfer-Encoding: chunked") if chunked else ()
    body = curl(
        "-i", "-H", "Expect: 100-continue", *how, "--expect100-timeout", "30", "--data-binary",
        "@-", "-H", f"Inference-Header-Content-Length: {len(header)}",
        f"{served.http}/v2/models/image/infer", data=header + values.tobytes(),
    )  # fmt: skip
    assert body.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    assert body.endswith(values.tobytes())


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("/v2/models/none/infer", "-d", "{}"), 404, "unknown model: 'none'"),
        (("/nothing",), 404, "nothing"),
        (("/v2", "-X", "DELETE"), 405, "DELETE"),
        ((INFER, "-d", "{"), 400, "JSON"),
        ((INFER, "-d", "{}"), 400, "'inputs'"),
        ((INFER, "-d", JSON_BODY, "-H", "Content-Encoding: br"), 501, "br"),
        (("/v2/models/%2e%2e%2f/ready",), 400, ""),
    ],
)
def test_errors_have_a_body(served: Served, arguments: Any, status: int, words: str) -> None:
    path, *others = arguments
    output = curl(*others, "-w", "\n%{http_code}", served.http + path).decode()
    body, code = output.rsplit("\n", 1)
    assert int(code) == status
    if words:
        assert words in json.loads(body)["error"]
