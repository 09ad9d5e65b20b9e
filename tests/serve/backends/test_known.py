"""Batches that are known but for their tensors' values: the same answers, or not known at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from trtserve.backends.known import KnownBatches
from trtserve.backends.onnxruntime.executor import OnnxExecutor
from trtserve.batch import gather, scatter
from trtserve.contract import Contract
from trtserve.request import Call, CallInput, Forms, InferRequest, InferResponse
from trtserve.schedulers.policy import Batch

from tests.serve.models import identity, model, plus
from trtbuild.modelconfig.schema import new_config

FLOAT = TensorProto.FLOAT
DIMS: list[int | str] = ["batch", 16]
X: dict[str, Any] = {"name": "INPUT0", "data_type": "TYPE_FP32", "dims": [16]}
Y = X | {"name": "OUTPUT0"}


class Known:
    """A model of ONNX Runtime, and what is known of its batches."""

    def __init__(
        self, proto: bytes, inputs: Sequence[Any] = (X,), outputs: Sequence[Any] = (Y,)
    ) -> None:
        config = new_config(name="m", max_batch_size=64, input=inputs, output=outputs)
        self.contract = Contract("m", config, {})
        session = onnxruntime.InferenceSession(proto, providers=["CPUExecutionProvider"])
        self.executor = OnnxExecutor(session, steady=True)
        self.forms = Forms("m", "1")
        self.batches = KnownBatches(self.contract, self.executor.bind)

    def call(self, **rows_of: int) -> Call:
        dtypes = {rule.name: rule.dtype for rule in self.contract.inputs.values()}
        dims = {rule.name: rule.dims for rule in self.contract.inputs.values()}
        inputs = [CallInput(n, dtypes[n], (rows, *dims[n])) for n, rows in rows_of.items()]
        return self.contract.call("", inputs, [], {}, binary=True)

    def run(self, batch: Batch) -> list[InferResponse]:
        """As any other batch; then it is learned."""
        wanted = gather(batch, self.contract)
        outputs = self.executor.execute(wanted.inputs, wanted.outputs)
        answers = scatter(batch, outputs, self.contract, self.forms)
        self.batches.learn(batch, wanted.inputs, outputs, answers[0])
        return good(answers)

    def run_known(self, batch: Batch) -> list[InferResponse]:
        known = self.batches.like(batch)
        assert known is not None
        known.run(batch.requests)
        return good(known.answers())


def good(answers: Sequence[Any]) -> list[InferResponse]:
    assert all(isinstance(each, InferResponse) for each in answers)
    return list(answers)


def batch_of(call: Call, *data: Sequence[np.ndarray]) -> Batch:
    requests = [
        InferRequest(call, [each.tobytes() for each in arrays], lambda *_: None, 0)
        for arrays in data
    ]
    return Batch(requests, call.rows * len(requests), call)


def same(found: Sequence[InferResponse], expected: Sequence[InferResponse]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.form is other.form
        assert [bytes(each) for each in one.data] == [bytes(each) for each in other.data]


def rows(*values: float, count: int = 1) -> list[list[np.ndarray]]:
    return [[np.full((count, 16), value, np.float32)] for value in values]


@settings(max_examples=50)
@given(st.integers(1, 3), st.lists(st.binary(min_size=192, max_size=192), min_size=2, max_size=5))
def test_any_values_are_answered_as_if_nothing_were_known(size: int, data: list[bytes]) -> None:
    """NaN with whatever is in them among them."""
    learning = Known(plus(1))
    call = learning.call(INPUT0=size)
    requests = [InferRequest(call, [each[: 64 * size]], lambda *_: None, 0) for each in data]
    batch = Batch(requests, size * len(requests), call)
    some = batch_of(call, *rows(*range(len(data)), count=size))
    for _ in range(2):
        learning.run(some)
    found = learning.run_known(batch)
    learning.batches.end()
    same(found, learning.run(batch))


def test_two_inputs_in_the_calls_own_order() -> None:
    both = (FLOAT, DIMS)
    proto = model([helper.make_node("Sub", ["A", "B"], ["OUTPUT0"])],
                  {"A": both, "B": both}, {"OUTPUT0": both})  # fmt: skip
    for names in ("AB", "BA"):
        learning = Known(proto, [X | {"name": "A"}, X | {"name": "B"}])
        call = learning.call(**dict.fromkeys(names, 1))
        batch = batch_of(call, *[[np.full((1, 16), v, np.float32) for v in (n, 3)] for n in (5, 9)])
        for _ in range(2):
            expected = learning.run(batch)
        found = learning.run_known(batch)
        same(found, expected)
        sign = 1 if names == "AB" else -1
        assert [np.frombuffer(each.data[0], np.float32)[0] for each in found] == [
            2 * sign,
            6 * sign,
        ]


def test_an_answer_is_not_changed_by_the_next_batch() -> None:
    learning = Known(plus(1))
    call = learning.call(INPUT0=1)
    for _ in range(2):
        learning.run(batch_of(call, *rows(1)))
    (first,) = learning.run_known(batch_of(call, *rows(1)))
    learning.run_known(batch_of(call, *rows(5)))
    assert bytes(first.data[0]) == np.full(16, 2, np.float32).tobytes()


def test_what_comes_twice_in_a_row_is_known_and_nothing_else() -> None:
    learning = Known(plus(1))
    call, other = learning.call(INPUT0=1), learning.call(INPUT0=1)
    assert call is not other
    once, twice = batch_of(call, *rows(1)), batch_of(call, *rows(1, 2))
    other_once = batch_of(other, *rows(1))
    for each in (once, twice, other_once, once, other_once):
        learning.run(each)
        assert learning.batches.like(each) is None
    learning.run(other_once)
    assert learning.batches.like(other_once) is not None
    assert learning.batches.like(once) is None
    assert learning.batches.like(twice) is None
    mixed = Batch(once.requests, 1)  # of several calls
    assert learning.batches.like(mixed) is None


def test_clients_that_vary_their_rows_forever_take_no_memory_forever() -> None:
    learning = Known(plus(1))
    learning.contract = Contract("m", new_config(
        name="m", max_batch_size=100_000, input=[X], output=[Y]), {})  # fmt: skip
    for count in range(1, 500):
        batch = batch_of(learning.call(INPUT0=count), *rows(1, count=count))
        for _ in range(2):
            learning.run(batch)
        assert learning.batches.like(batch) is not None
        assert len(learning.batches._batches) <= 128
        assert len(learning.batches._last_calls) <= 128


def passed_through() -> bytes:
    """Its output is its input, under one name: ONNX Runtime ignores memory for such an output."""
    value = helper.make_tensor_value_info("INPUT0", FLOAT, DIMS)
    graph = helper.make_graph([], "graph", [value], [value])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def random() -> bytes:
    """Other values each time."""
    nodes = [helper.make_node("RandomUniformLike", ["INPUT0"], ["OUTPUT0"])]
    return model(nodes, {"INPUT0": (FLOAT, DIMS)}, {"OUTPUT0": (FLOAT, DIMS)})


@pytest.mark.parametrize("proto", [passed_through(), random()], ids=["passed through", "random"])
def test_what_ignores_its_memory_or_its_past_is_never_known(proto: bytes) -> None:
    outputs = [Y if b"OUTPUT0" in proto else X]
    learning = Known(proto, outputs=outputs)
    batch = batch_of(learning.call(INPUT0=1), *rows(7))
    for _ in range(5):
        learning.run(batch)
        assert learning.batches.like(batch) is None


@pytest.mark.parametrize(
    "changes",
    [{"data_type": "TYPE_STRING"}, {"reshape": {"shape": [4, 4]}}, {"dims": [65_536]}],
    ids=["BYTES", "reshaped", "large"],
)
def test_what_would_need_more_than_bytes_is_not_known(changes: Mapping[str, Any]) -> None:
    dtype = TensorProto.STRING if "data_type" in changes else FLOAT
    dims: list[int | str] = ["batch", 4, 4] if "reshape" in changes else ["batch", "columns"]
    learning = Known(identity(dtype, dims), [{**X, **changes}], [{**Y, **changes}])
    columns = changes.get("dims", [16])[0]
    array = np.ones((1, columns), np.float32)
    call = learning.call(INPUT0=1)
    data = b"\1\0\0\0a" * 16 if "data_type" in changes else array.tobytes()
    batch = Batch([InferRequest(call, [data], lambda *_: None, 0)], 1, call)
    for _ in range(4):
        learning.run(batch)
        assert learning.batches.like(batch) is None
