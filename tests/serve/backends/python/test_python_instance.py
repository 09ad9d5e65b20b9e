"""Tensors and what a request says, there and back; limits; configs completed. In real processes."""

import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from trtserve.backends.python.instance import PythonInstance, PythonModel, complete_config
from trtserve.errors import Kind, ServeError
from trtserve.request import InferResponse

from tests.serve.backends.python.python_models import (
    DOES,
    ECHO,
    IDENTITY,
    ONE,
    Load,
    do,
    failed,
    model,
    outputs,
    request,
    told,
    write_model,
)

NUMERIC = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


# Tensors


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        of_numpy.arrays(
            st.sampled_from(NUMERIC),
            of_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=6),
        ),
        min_size=1, max_size=5,
    )
)  # fmt: skip
def test_tensors_come_back_as_they_went(identity: PythonInstance, arrays: list[np.ndarray]) -> None:
    answers = identity.execute([request(x=array, again=array) for array in arrays])
    for array, answer in zip(arrays, answers, strict=True):
        for back in outputs(answer).values():
            assert (back.dtype, back.shape) == (array.dtype, array.shape)
            assert back.tobytes() == array.tobytes()


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        of_numpy.arrays(
            object, of_numpy.array_shapes(max_dims=3, min_side=0), elements=st.binary(max_size=99)
        ),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_bytes_come_back_as_they_went(identity: PythonInstance, arrays: list[np.ndarray]) -> None:
    answers = identity.execute([request(x=array) for array in arrays])
    for array, answer in zip(arrays, answers, strict=True):
        back = outputs(answer)["x"]
        assert back.shape == array.shape
        assert back.tolist() == array.tolist()


def test_many_megabytes(identity: PythonInstance) -> None:
    large = np.random.default_rng(0).integers(0, 256, 100_000_000, np.uint8)
    for array in (large, ONE, large):
        (answer,) = identity.execute([request(x=array)])
        assert np.array_equal(outputs(answer)["x"], array)


def test_answers_keep_their_request(identity: PythonInstance) -> None:
    """Batches of mixed shapes: nobody gets what belongs to another."""
    for count in (1, 2, 33, 300):
        requests = [request(x=np.full((1, 1 + i % 7), i, np.int32)) for i in range(count)]
        for i, answer in enumerate(identity.execute(requests)):
            assert outputs(answer)["x"].tolist() == [[i] * (1 + i % 7)]


def test_earlier_answers_outlive_later_batches(identity: PythonInstance) -> None:
    first = [outputs(a)["x"] for a in identity.execute([request(x=ONE + i) for i in range(3)])]
    identity.execute([request(x=ONE * 0) for _ in range(3)])
    assert all((array == ONE + i).all() for i, array in enumerate(first))


def test_bf16_by_dlpack(load: Load) -> None:
    made = load(
        "def execute(self, requests):\n"
        "    back = [pb_utils.Tensor.from_dlpack('y', r.inputs()[0]) for r in requests]\n"
        "    return [pb_utils.InferenceResponse([tensor]) for tensor in back]",
    )
    sent = request("y", x=np.array([1, 2, 3], np.uint16))
    sent.call = sent.call._replace(
        inputs=tuple(each._replace(dtype="BF16") for each in sent.call.inputs)
    )
    (answer,) = made.execute([sent])
    assert isinstance(answer, InferResponse)
    assert (answer.outputs[0].dtype, bytes(answer.outputs[0].data)) == ("BF16", sent.data[0])


def test_outputs_in_any_memory_order(doer: PythonInstance) -> None:
    for made in ("np.arange(12.).reshape(3, 4).T", "np.arange(9)[::2]", "np.zeros((0, 3), 'f2')"):
        answer = do(doer, f"[{ECHO.format(made)}]")
        expected = eval(made)
        back = outputs(answer)["y"]
        assert back.dtype == expected.dtype
        assert back.shape == expected.shape
        assert (back == expected).all()


def test_strings_are_sent_as_utf8(doer: PythonInstance) -> None:
    answer = do(doer, f"[{ECHO.format('np.array([[chr(252), bytes([0, 255])]], object)')}]")
    assert outputs(answer)["y"].tolist() == [["ü".encode(), b"\0\xff"]]


def test_inputs_that_the_model_keeps_stay_as_they_were(load: Load) -> None:
    """Triton's shared memory lives as long as an array over it; so does ours."""
    made = load(
        "def initialize(self, args): self.kept = []\n"
        "def execute(self, requests):\n"
        "    self.kept += [requests[0].inputs()[0].as_numpy()[0, :2], requests[0]]\n"
        "    kept = [k if isinstance(k, np.ndarray) else k.inputs()[0].as_numpy()[0, :2] "
        "for k in self.kept]\n"
        "    return [pb_utils.InferenceResponse([pb_utils.Tensor('y', np.concatenate(kept))])]",
    )
    expected: list[float] = []
    for value in range(4):
        (answer,) = made.execute([request("y", x=np.full((1, 64), value, np.float64))])
        expected += [value] * 4
        assert outputs(answer)["y"].tolist() == expected


# What a request says


def test_what_a_request_says_of_itself(doer: PythonInstance) -> None:
    parameters = {"sequence_id": 5, "sequence_start": True, "priority": 1, "timeout": 9,
                  "a": 1, "b": "ü", "c": True, "d": 1.5}  # fmt: skip
    facts = "(r.request_id(), r.correlation_id(), r.flags(), r.timeout(), r.parameters())"
    assert told(doer, facts, id_="an id", parameters=parameters) == [
        "an id", 5, 1, 9, '{"a":1,"b":"ü","c":true,"d":1.5}',
    ]  # fmt: skip
    ends = {"sequence_id": "s", "sequence_start": True, "sequence_end": True}
    assert told(doer, facts, parameters=ends) == ["", "s", 3, 0, "{}"]
    assert told(doer, facts) == ["", 0, 0, 0, "{}"]


def test_which_outputs_are_wanted(doer: PythonInstance) -> None:
    assert sorted(told(doer, "list(r.requested_output_names())", "y", "z")) == ["y", "z"]


def test_whether_it_is_cancelled(load: Load) -> None:
    made = load(
        "def execute(self, requests):\n"
        "    while not requests[1].is_cancelled(): time.sleep(0.01)\n"
        "    gone = [r.is_cancelled() for r in requests]\n"
        "    return [pb_utils.InferenceResponse([pb_utils.Tensor('y', np.array(gone))])] * 3",
    )
    requests = [request("y", x=ONE) for _ in range(3)]
    threading.Timer(0.1, setattr, (requests[1], "cancelled", True)).start()
    answer = made.execute(requests)[0]
    assert outputs(answer)["y"].tolist() == [False, True, False]


def test_initialize_gets_what_triton_gives(tmp_path: Path) -> None:
    file = write_model(tmp_path, "def initialize(self, args): self.args = args\n" + DOES)
    config = json.dumps({"name": "model", "parameters": {"k": {"string_value": "v"}}})
    made = PythonInstance(PythonModel("model", "1", file, config), "model_0_1")
    assert told(made, "self.args | {'dir': pb_utils.get_model_dir()}") == {
        "model_config": config,
        "model_instance_kind": "CPU",
        "model_instance_name": "model_0_1",
        "model_instance_device_id": "0",
        "model_repository": str(tmp_path / "model"),
        "model_version": "1",
        "model_name": "model",
        "dir": str(tmp_path / "model" / "1"),
    }
    made.close(5)


# Limits


def test_batches_that_need_too_much_memory_are_split(load: Load) -> None:
    methods = "def execute(self, requests):\n    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.array(len(requests)))]) for r in requests]"  # noqa: E501
    made = load(methods, limit_bytes=300_000)
    small, large = request(x=np.ones(10_000)), request(x=np.ones(50_000))
    answers = made.execute([small, small, large, small, small])
    assert failed(answers[2]).kind is Kind.INVALID_ARG
    assert "exceeds the 300000 bytes" in failed(answers[2]).message
    counts = [int(outputs(each)["x"]) for i, each in enumerate(answers) if i != 2]
    assert counts == [2, 2, 2, 2]


def test_outputs_that_need_too_much_memory_fail_alone(load: Load) -> None:
    methods = "def execute(self, requests):\n    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.ones(int(r.inputs()[0].as_numpy()[0])))]) for r in requests]"  # noqa: E501
    made = load(methods, limit_bytes=300_000)
    first, second, third = made.execute([request(x=np.array([n])) for n in (10, 10**6, 20)])
    assert outputs(first)["x"].shape == (10,)
    assert "exceed the" in failed(second).message
    assert outputs(third)["x"].shape == (20,)


def test_nothing_is_left_behind(load: Load) -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    load(IDENTITY).close(5)
    before = held()
    for _ in range(3):
        made = load(IDENTITY)
        made.execute([request(x=np.ones(10**6))])
        made.close(5)
    files, threads = held()
    assert files <= before[0]  # other tests' may end meanwhile
    assert threads <= before[1]


# auto_complete_config


def test_auto_complete_config(tmp_path: Path) -> None:
    methods = (
        "@staticmethod\n"
        "def auto_complete_config(config):\n"
        "    config.add_input({'name': 'x', 'data_type': 'TYPE_FP32', 'dims': [3]})\n"
        "    config.set_max_batch_size(8)\n"
        "    return config"
    )
    given: dict[str, Any] = {"max_batch_size": 0, "input": [], "output": []}
    found = json.loads(complete_config(model(tmp_path, methods, **given)))
    assert found["max_batch_size"] == 8
    assert found["input"] == [{"name": "x", "data_type": "TYPE_FP32", "dims": [3]}]


def test_auto_complete_config_that_is_absent(tmp_path: Path) -> None:
    assert json.loads(complete_config(model(tmp_path, IDENTITY))) == {"name": "model"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("pass", "auto_complete_config function in model 'model' must return a valid "
                 "pb.ModelConfig object."),
        ("raise ValueError('no')", "ValueError: no\n\nAt:\n  {file}(7): auto_complete_config\n"),
        ("os._exit(1)", "the process of model instance 'model' ended with exit code 1"),
    ],
)  # fmt: skip
def test_auto_complete_config_that_fails(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(ServeError) as caught:
        complete_config(model(tmp_path, f"def auto_complete_config(config):\n    {body}"))
    assert caught.value.message == message.format(file=tmp_path / "model" / "1" / "model.py")
