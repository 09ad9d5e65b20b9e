"""Inference by the four clients of tritonclient."""

from __future__ import annotations

import json
import queue
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from tritonclient.utils import InferenceServerException

from tests.serve.clients.callers import Caller
from tests.serve.clients.served import Served

SAMPLES: dict[str, np.ndarray] = {
    "BYTES": np.array([[b"", b"plain"], ["\u00fcn\u00ef".encode(), b"\0\1" * 200]], dtype=object),
    "FP16": np.array([[0.5, -1], [np.inf, 65504]], np.float16),
    "BF16": np.array([[0.5, -1], [3, 2.0**100]]).astype(ml_dtypes.bfloat16),
    "INT64": np.array([[2**63 - 1, -(2**63)], [0, 2**53 + 1]], np.int64),
    "UINT64": np.array([[2**64 - 1, 0], [1, 2**53 + 1]], np.uint64),
    "BOOL": np.array([[True, False], [False, True]]),
}


@pytest.mark.parametrize("dtype", SAMPLES)
def test_data_types_come_back(client: Caller, dtype: str) -> None:
    result = client.infer(f"of_{dtype}", [client.tensor("INPUT0", SAMPLES[dtype], dtype)])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), SAMPLES[dtype])
    assert result.as_numpy("OUTPUT0").dtype == SAMPLES[dtype].dtype


@pytest.mark.parametrize("dtype", ["INT64", "UINT64", "BOOL"])
def test_json_tensors_come_back(client: Caller, dtype: str) -> None:
    if not client.http:
        return  # gRPC has no such form
    given = client.tensor("INPUT0", SAMPLES[dtype], dtype, binary_data=False)
    for binary in (False, True):
        outputs = [client.wanted("OUTPUT0", binary_data=binary)]
        result = client.infer(f"of_{dtype}", [given], outputs=outputs)
        np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), SAMPLES[dtype])


def test_names_versions_and_ids(client: Caller) -> None:
    left, right = np.full((2, 16), 7, np.int32), np.full((2, 16), 5, np.int32)
    inputs = [client.tensor("INPUT1", right, "INT32"), client.tensor("INPUT0", left, "INT32")]
    result = client.infer(
        "add_sub", inputs, model_version="1", outputs=[client.wanted("OUTPUT1")], request_id="id 1"
    )
    np.testing.assert_array_equal(result.as_numpy("OUTPUT1"), left - right)
    assert result.as_numpy("OUTPUT0") is None
    response: Any = result.get_response()
    if client.http:
        assert (response["id"], response["model_version"]) == ("id 1", "1")
    else:
        assert (response.id, response.model_version) == ("id 1", "1")


# aiohttp warns of large bodies in one piece; that is between it and tritonclient.
@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_large_tensors(client: Caller) -> None:
    values = np.random.default_rng(3).random((4, 3, 224, 224), np.float32)
    result = client.infer("image", [client.tensor("INPUT0", values)])
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


def test_classification(client: Caller) -> None:
    values = np.zeros((2, 16), np.float32)
    values[0, 1], values[0, 5], values[1, 2] = 0.5, 0.25, 2
    outputs = [client.wanted("OUTPUT0", class_count=2)]
    result = client.infer("labelled", [client.tensor("INPUT0", values)], outputs=outputs)
    assert result.as_numpy("OUTPUT0").tolist() == [
        [b"0.500000:1:one", b"0.250000:5"],
        [b"2.000000:2:two", b"0.000000:0:zero"],
    ]


def test_parameters_and_timeout_reach_the_model(client: Caller) -> None:
    given = client.tensor("INPUT0", np.zeros(1, np.int32), "INT32")
    parameters = {"text": "\u00fc", "number": 2**40, "flag": True}
    result = client.infer("told", [given], request_id="me", timeout=1234, parameters=parameters)
    assert json.loads(result.as_numpy("OUTPUT0")[0]) == {
        "id": "me", "timeout": 1234, "parameters": parameters,
    }  # fmt: skip


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_compression_both_ways(client: Caller, coding: str) -> None:
    values = np.ones((60, 16), np.float32)
    given = client.tensor("INPUT0", values)
    if client.http:
        options = {f"{way}_compression_algorithm": coding for way in ("request", "response")}
    else:
        options = {"compression_algorithm": coding}
    result = client.infer("identity", [given], **options)
    np.testing.assert_array_equal(result.as_numpy("OUTPUT0"), values)


@pytest.mark.parametrize(
    ("model", "shape", "dtype", "status", "words"),
    [
        ("nothing", (1, 16), np.float32, ("404", "NOT_FOUND"), "unknown model: 'nothing'"),
        ("identity", (1, 15), np.float32, ("400", "INVALID_ARGUMENT"), "unexpected shape"),
        ("identity", (1, 16), np.int32, ("400", "INVALID_ARGUMENT"), "data-type is 'INT32'"),
    ],
)
def test_errors_by_status_and_message(
    client: Caller, model: str, shape: tuple[int, ...], dtype: Any, status: tuple[str, str],
    words: str,
) -> None:  # fmt: skip
    wire = "INT32" if dtype is np.int32 else "FP32"
    with pytest.raises(InferenceServerException, match=words) as caught:
        client.infer(model, [client.tensor("INPUT0", np.zeros(shape, dtype), wire)])
    assert status[0 if client.http else 1] in str(caught.value.status())


def test_requests_in_the_background(served: Served) -> None:
    values = [np.full((1, 16), number, np.float32) for number in range(20)]
    with http_client.InferenceServerClient(served.http, concurrency=4) as client:
        inputs = [http_client.InferInput("INPUT0", [1, 16], "FP32") for _ in values]
        for each, data in zip(inputs, values, strict=True):
            each.set_data_from_numpy(data)
        pending = [client.async_infer("identity", [each]) for each in inputs]
        for data, each in zip(values, pending, strict=True):
            np.testing.assert_array_equal(each.get_result().as_numpy("OUTPUT0"), data)


def test_requests_with_a_callback(served: Served) -> None:
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with grpc_client.InferenceServerClient(served.grpc) as client:
        for number in range(20):
            given = grpc_client.InferInput("INPUT0", [1, 16], "FP32")
            given.set_data_from_numpy(np.full((1, 16), number, np.float32))
            client.async_infer(
                "identity", [given], lambda result, error: answers.put((result, error))
            )
        found = [answers.get(timeout=20) for _ in range(20)]
    assert [error for _, error in found if error] == []
    assert sorted(result.as_numpy("OUTPUT0")[0, 0] for result, _ in found) == list(range(20))
