"""Optional inputs and reshape, from the config to the model and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from onnx import TensorProto, helper
from tritonclient.utils import InferenceServerException

from tests.serve.conftest import Running
from tests.serve.gated import until
from tests.serve.models import Dims, model, put, put_python

# OUTPUT = INPUT + OPTIONAL where it is given; COUNT: how many requests had this batch.
CODE = """
import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def execute(self, requests):
        answers = []
        for request in requests:
            given = {tensor.name(): tensor.as_numpy() for tensor in request.inputs()}
            total = sum(given.values())
            count = np.full((len(total), 1), len(requests), np.int32)
            answers.append(pb_utils.InferenceResponse([
                pb_utils.Tensor("OUTPUT", total), pb_utils.Tensor("COUNT", count)]))
        return answers
"""
CONFIG = """
backend: "python"
max_batch_size: 8
input { name: "INPUT" data_type: TYPE_INT32 dims: [1] }
input { name: "OPTIONAL" data_type: TYPE_INT32 dims: [1] optional: true }
output { name: "OUTPUT" data_type: TYPE_INT32 dims: [1] }
output { name: "COUNT" data_type: TYPE_INT32 dims: [1] }
dynamic_batching { preferred_batch_size: [4] max_queue_delay_microseconds: 600000000 }
"""
SCALAR = """
max_batch_size: 4
input { name: "x" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }
output { name: "y" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }
"""
FOLDED = """
input { name: "x" data_type: TYPE_FP32 dims: [6, -1] reshape { shape: [2, 3, -1] } }
output { name: "y" data_type: TYPE_FP32 dims: [3, 2, -1] reshape { shape: [2, 3, -1] } }
"""


def given(name: str, *values: int) -> Any:
    tensor = grpc_client.InferInput(name, [len(values), 1], "INT32")
    tensor.set_data_from_numpy(np.array(values, np.int32)[:, None])
    return tensor


@pytest.fixture(scope="module")
def client(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Any:
    repository = tmp_path_factory.mktemp("repository")
    put_python(repository, "adds", CODE, CONFIG)
    shapes: dict[str, tuple[Dims, str]] = {
        "scalar": (["n"], SCALAR), "folded": ([2, 3, "n"], FOLDED)
    }  # fmt: skip
    for name, (shape, config) in shapes.items():
        both: tuple[int, Dims] = (TensorProto.FLOAT, shape)
        made = model([helper.make_node("Neg", ["x"], ["y"])], {"x": both}, {"y": both})
        put(repository, name, made, config)
    server = start(repository, http_port=-1, metrics_port=-1)
    with grpc_client.InferenceServerClient(server.grpc) as client:
        yield client


def test_requests_with_and_without_an_optional_input_run_apart(client: Any) -> None:
    """Each batch is of one set of inputs, whatever order they come in (delay: ten minutes)."""
    assert client.is_server_ready()  # requests before the channel is up may overtake each other
    with_it = [given("OPTIONAL", 10, 20), given("INPUT", 1, 2)]
    heard: list[Any] = []

    def ask(inputs: list[Any]) -> None:
        client.async_infer("adds", inputs, lambda result, error: heard.append((result, error)))

    ask(with_it)
    ask([given("INPUT", 1, 2)])  # ends the first batch, which could not grow any more
    ask([given("INPUT", 3, 4)])  # and makes the second one of the preferred size
    until(lambda: len(heard) == 3)
    assert [error for _, error in heard] == [None] * 3
    found = {
        tuple(result.as_numpy("OUTPUT")[:, 0]): int(result.as_numpy("COUNT")[0, 0])
        for result, _ in heard
    }
    assert found == {(11, 22): 1, (1, 2): 2, (3, 4): 2}


def test_an_input_that_is_not_optional_must_be_there(client: Any) -> None:
    with pytest.raises(InferenceServerException, match=r"missing required input\(s\) \['INPUT'\]"):
        client.infer("adds", [given("OPTIONAL", 1)])


def test_a_scalar_for_each_entry_of_the_batch(client: Any) -> None:
    values = np.array([[1.0], [2.0], [3.0]], np.float32)
    tensor = grpc_client.InferInput("x", [3, 1], "FP32")
    tensor.set_data_from_numpy(values)
    np.testing.assert_array_equal(client.infer("scalar", [tensor]).as_numpy("y"), -values)


def test_variable_dims_keep_their_place(client: Any) -> None:
    values = np.arange(30, dtype=np.float32).reshape(6, 5)
    tensor = grpc_client.InferInput("x", [6, 5], "FP32")
    tensor.set_data_from_numpy(values)
    found = client.infer("folded", [tensor]).as_numpy("y")
    np.testing.assert_array_equal(found, -values.reshape(3, 2, 5))
