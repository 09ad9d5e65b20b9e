"""Gather and scatter: what each request gave is what it gets back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.batch import gather, scatter
from trtserve.contract import Contract
from trtserve.errors import ServeError
from trtserve.request import CallInput, Forms, InferRequest, InferResponse
from trtserve.schedulers.policy import Batch

from trtbuild.modelconfig.schema import new_config


def contract(**tensor: Any) -> Contract:
    stated = {"name": "x", "data_type": "TYPE_FP32", "dims": [-1, 2]} | tensor
    config = new_config(name="m", max_batch_size=64, input=[stated],
                        output=[stated | {"name": "y"}])  # fmt: skip
    return Contract("m", config, {})


def request(of: Contract, values: np.ndarray, dtype: str = "FP32") -> InferRequest:
    call = of.call("", [CallInput("x", dtype, values.shape)], [], {}, binary=True)
    return InferRequest(call, [values.tobytes()], lambda *_: None, 0)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8))
def test_every_request_gets_its_own_rows(sizes: list[int]) -> None:
    model = contract()
    values = [np.random.default_rng(n).random((size, 3, 2), np.float32)
              for n, size in enumerate(sizes)]  # fmt: skip
    batch = Batch([request(model, each) for each in values], sum(sizes))
    wanted = gather(batch, model)
    np.testing.assert_array_equal(wanted.inputs["x"], np.concatenate(values))
    answers = scatter(batch, {"y": wanted.inputs["x"] * 2}, model, Forms("m", "1"))
    for answer, each in zip(answers, values, strict=True):
        assert isinstance(answer, InferResponse)
        (output,) = answer.outputs
        assert (output.name, output.shape) == ("y", each.shape)
        np.testing.assert_array_equal(np.frombuffer(output.data, np.float32), (each * 2).ravel())


def test_one_request_is_not_copied() -> None:
    model = contract()
    alone = request(model, np.ones((2, 3, 2), np.float32))
    wanted = gather(Batch([alone], 2), model)
    assert np.shares_memory(wanted.inputs["x"], np.frombuffer(alone.data[0], np.float32))


def test_requests_are_joined_where_the_backend_has_room_for_them() -> None:
    model = contract()
    memory = np.zeros(3_000_000, np.uint8)
    asked = []

    def room(size_bytes: int) -> np.ndarray:
        asked.append(size_bytes)
        return memory[:size_bytes]

    # One of more than a megabyte among small ones.
    values = [np.random.default_rng(size).random((size, 25_000, 2), np.float32)
              for size in (1, 6, 2)]  # fmt: skip
    requests = [request(model, each) for each in values]
    found = gather(Batch(requests, 9), model, room).inputs["x"]
    np.testing.assert_array_equal(found, np.concatenate(values))
    assert np.shares_memory(found, memory)
    assert asked == [9 * 200_000]
    alone = gather(Batch(requests[1:2], 6), model, room).inputs["x"]
    assert np.shares_memory(alone, np.frombuffer(requests[1].data[0], np.float32))


def test_reshape_goes_in_and_out() -> None:
    model = contract(dims=[1], reshape={"shape": []})
    values = np.arange(3, dtype=np.float32).reshape(3, 1)
    batch = Batch([request(model, values[:1]), request(model, values[1:])], 3)
    wanted = gather(batch, model)
    assert wanted.inputs["x"].shape == (3,)
    answers = scatter(batch, {"y": wanted.inputs["x"]}, model, Forms("m", "1"))
    assert [answer.outputs[0].shape for answer in answers if isinstance(answer, InferResponse)] == [
        (1, 1), (2, 1)]  # fmt: skip


def test_outputs_that_are_not_as_the_config_says() -> None:
    model = contract()
    batch = Batch([request(model, np.ones((2, 3, 2), np.float32))], 2)
    with pytest.raises(ServeError, match=r"config says \[2,-1,2\], the model made \[1,3,2\]"):
        scatter(batch, {"y": np.ones((1, 3, 2), np.float32)}, model, Forms("m", "1"))


def test_an_output_of_another_type_is_refused() -> None:
    """Its bytes would not be as many as the answer's head says."""
    model = contract()
    batch = Batch([request(model, np.ones((2, 3, 2), np.float32))], 2)
    with pytest.raises(ServeError, match="config says FP32, the model made float64"):
        scatter(batch, {"y": np.ones((2, 3, 2))}, model, Forms("m", "1"))


@given(st.integers(1, 5), st.integers(1, 3), st.sampled_from([2, 2000]))
def test_requests_of_one_call_get_answers_of_one_form(count: int, rows: int, width: int) -> None:
    model = contract(dims=[width])
    values = np.random.default_rng(0).random((count * rows, width), np.float32)
    first = request(model, values[:rows])
    requests = [first]
    for start in range(rows, count * rows, rows):
        data = [values[start : start + rows].tobytes()]
        requests.append(InferRequest(first.call, data, lambda *_: None, 0))
    batch = Batch(requests, count * rows, first.call)
    wanted = gather(batch, model)
    answers = scatter(batch, {"y": wanted.inputs["x"]}, model, Forms("m", "1"))
    forms = {id(answer.form) for answer in answers if isinstance(answer, InferResponse)}
    assert len(forms) == 1
    for each, answer in zip(requests, answers, strict=True):
        assert isinstance(answer, InferResponse)
        assert [bytes(part) for part in answer.data] == each.data
        assert answer.outputs[0].shape == (rows, width)
