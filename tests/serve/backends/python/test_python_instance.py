"""Real processes, killed, crashing, printing, lying. Texts are Triton 2.51's, tried on it."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
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
    IDENTITY,
    failed,
    instance,
    model,
    outputs,
    request,
    write_model,
)

Start = Callable[..., PythonInstance]
NUMERIC = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
ONE = np.arange(16, dtype=np.float32).reshape(1, 16)
# Does what a request's input `do` says, an expression with `r`, `requests` and `pb_utils`.
DOES = """
def execute(self, requests):
    names = globals() | {"r": requests[0], "requests": requests, "self": self}
    return eval(requests[0].inputs()[0].as_numpy()[0].decode(), names)
"""
ECHO = "pb_utils.InferenceResponse([pb_utils.Tensor('y', {})])"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., PythonInstance]]:
    """`start(methods, top, ...)`: an instance of a model, closed at the end of the test."""
    made: list[PythonInstance] = []

    def start(methods: str, top: str = "", **config: Any) -> PythonInstance:
        made.append(instance(tmp_path, methods, top, **config))
        return made[-1]

    yield start
    for each in made:
        each.kill()
        each.close(5)


@pytest.fixture(scope="module")
def doer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = instance(tmp_path_factory.mktemp("doer"), DOES)
    yield made
    made.close(5)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = instance(tmp_path_factory.mktemp("identity"), IDENTITY)
    yield made
    made.close(5)


def do(doer: PythonInstance, what: str, *wanted: str, **facts: Any) -> Any:
    (answer,) = doer.execute(
        [request(*wanted or ("y",), do=np.array([what.encode()], object), **facts)]
    )
    return answer


def told(doer: PythonInstance, expression: str, *wanted: str, **facts: Any) -> Any:
    """What an expression gives in the model's process, by way of JSON."""
    array = f"np.array([json.dumps({expression}).encode()], object)"
    answer = do(doer, f"[{ECHO.format(array)} for json in [__import__('json')] for r in requests]",
                *wanted, **facts)  # fmt: skip
    return json.loads(outputs(answer)["y"][0])


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


def test_bf16_by_dlpack(start: Start) -> None:
    made = start(
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


def test_inputs_that_the_model_keeps_stay_as_they_were(start: Start) -> None:
    """Triton's shared memory lives as long as an array over it; so does ours."""
    made = start(
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


def test_whether_it_is_cancelled(start: Start) -> None:
    made = start(
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


# What a model does wrong

BATCH = "Failed to process the request(s) for model 'model_0', message: "
COUNT = (
    BATCH + "Number of InferenceResponse objects do not match the number of InferenceRequest "
    "objects. InferenceRequest(s) size is:1, and InferenceResponse(s) size is:{}\n"
)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("None", BATCH + "Expected a list in the execute return, found type '<class 'NoneType'>'."),
        ("(1,)", BATCH + "Expected a list in the execute return, found type '<class 'tuple'>'."),
        ("[]", COUNT.format(0)),
        ("[1, 2]", COUNT.format(2)),
        ("[3]", BATCH + "Expected an 'InferenceResponse' object in the execute function return "
                        "list, found type '<class 'int'>'."),
    ],
)  # fmt: skip
def test_what_execute_must_return(doer: PythonInstance, what: str, message: str) -> None:
    error = failed(do(doer, what))
    assert (error.kind, error.message) == (Kind.INTERNAL, message)


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        ("ValueError('boom\\nsecond')", "ValueError: boom\nsecond"),
        ("KeyboardInterrupt", "KeyboardInterrupt: <EMPTY MESSAGE>"),
        ("SystemExit(3)", "SystemExit: 3"),
        ("pb_utils.TritonModelException('mine')", "TritonModelException: mine"),
    ],
)
def test_what_execute_raises_fails_the_batch(
    start: Start, tmp_path: Path, raised: str, text: str
) -> None:
    made = start(
        f"def execute(self, requests):\n    self.fail()\ndef fail(self):\n    raise {raised}",
    )
    file = tmp_path / "model" / "1" / "model.py"
    for _ in range(2):  # the process lives on
        errors = [failed(answer) for answer in made.execute([request(x=ONE) for _ in range(3)])]
        assert {error.kind for error in errors} == {Kind.INTERNAL}
        assert {error.message for error in errors} == {
            f"{BATCH}{text}\n\nAt:\n  {file}(9): fail\n  {file}(7): execute\n"
        }


def test_an_error_in_one_response_is_that_requests_alone(start: Start) -> None:
    made = start(
        "def execute(self, requests):\n"
        "    codes = ['UNKNOWN', 'INTERNAL', 'NOT_FOUND', 'INVALID_ARG', 'UNAVAILABLE',\n"
        "             'UNSUPPORTED', 'ALREADY_EXISTS', 'CANCELLED']\n"
        "    return [\n"
        "        pb_utils.InferenceResponse(error=pb_utils.TritonError(f'no {c} ü', "
        "getattr(pb_utils.TritonError, c)))\n"
        "        for c in codes\n"
        "    ] + [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.ones(2))])]",
    )
    *errors, good = made.execute([request(x=ONE) for _ in range(9)])
    assert outputs(good)["x"].tolist() == [1, 1]
    found = [(failed(each).kind.name, failed(each).message) for each in errors]
    assert found == [(name, f"no {name} ü") for name, _ in found]
    assert len({name for name, _ in found}) == 8


def test_outputs_that_nobody_asked_for_are_dropped(doer: PythonInstance) -> None:
    both = (
        "[pb_utils.InferenceResponse([pb_utils.Tensor(n, np.ones(1)) for n in ('y', 'no', 'z')])]"
    )
    assert set(outputs(do(doer, both, "z", "y"))) == {"y", "z"}
    assert outputs(do(doer, "[pb_utils.InferenceResponse([])]")) == {}


def test_dtypes_are_the_models_own(doer: PythonInstance) -> None:
    """As in Triton: what the config says of outputs is not compared with what comes."""
    assert outputs(do(doer, f"[{ECHO.format('np.ones(1)')}]"))["y"].dtype == np.float64


def test_response_parameters(doer: PythonInstance) -> None:
    answer = do(doer, "[pb_utils.InferenceResponse([], parameters={'k': 1})]")
    assert answer.parameters == {"k": 1}
    error = failed(do(doer, "[pb_utils.InferenceResponse([], parameters={'k': object})]"))
    assert "cannot send a response: TypeError" in error.message


def test_coroutines_are_run(start: Start) -> None:
    made = start(
        "async def execute(self, requests):\n"
        "    await asyncio.sleep(0)\n"
        "    return [pb_utils.InferenceResponse([])]",
        "import asyncio\n",
    )
    assert outputs(made.execute([request(x=ONE)])[0]) == {}


@pytest.mark.parametrize(
    "used",
    [
        "pb_utils.InferenceRequest(model_name='m', inputs=[], requested_output_names=[])",
        "requests[0].exec()",
        "requests[0].get_response_sender()",
        "requests[0].set_release_flags(pb_utils.TRITONSERVER_REQUEST_RELEASE_RESCHEDULE)",
        "pb_utils.MetricFamily('n', 'd', pb_utils.MetricFamily.COUNTER)",
        "pb_utils.load_model('m')",
        "pb_utils.PreferredMemory(pb_utils.TRITONSERVER_MEMORY_CPU)",
    ],
)
def test_what_is_not_supported_says_so(doer: PythonInstance, used: str) -> None:
    error = failed(do(doer, used))
    assert "is not supported by trtbuild serve" in error.message


def test_the_api_has_all_of_tritons_names(doer: PythonInstance) -> None:
    names = """InferenceRequest InferenceResponse Logger MetricFamily ModelConfig PreferredMemory
        TRITONSERVER_MEMORY_CPU TRITONSERVER_MEMORY_GPU TRITONSERVER_REQUEST_FLAG_SEQUENCE_END
        TRITONSERVER_REQUEST_FLAG_SEQUENCE_START TRITONSERVER_REQUEST_RELEASE_ALL
        TRITONSERVER_REQUEST_RELEASE_RESCHEDULE TRITONSERVER_RESPONSE_COMPLETE_FINAL
        TRITON_STRING_TO_NUMPY Tensor TritonError TritonModelException deserialize_bytes_tensor
        get_input_config_by_name get_input_tensor_by_name get_model_dir get_output_config_by_name
        get_output_tensor_by_name is_model_ready load_model numpy_to_triton_type
        serialize_byte_tensor triton_string_to_numpy triton_to_numpy_type unload_model
        using_decoupled_model_transaction_policy"""
    assert told(doer, f"[n for n in {names.split()} if not hasattr(pb_utils, n)]") == []
    methods = {
        "Tensor": "as_numpy from_dlpack is_cpu name shape to_dlpack triton_dtype __dlpack__",
        "InferenceRequest": "async_exec correlation_id exec flags get_response_sender inputs "
        "is_cancelled parameters request_id requested_output_names set_flags set_release_flags "
        "timeout trace",
        "InferenceResponse": "error has_error output_tensors",
        "TritonError": "code message",
        "Logger": "log log_error log_info log_verbose log_warn LogLevel",
    }
    for name, wanted in methods.items():
        assert told(doer, f"[m for m in {wanted.split()} if not hasattr(pb_utils.{name}, m)]") == []


# Processes that die, hang, print


def killed_in_batch(made: PythonInstance, signal_: int) -> list[ServeError]:
    pid = made.pid
    assert pid is not None
    threading.Timer(0.2, os.kill, (pid, signal_)).start()
    return [failed(each) for each in made.execute([request(x=ONE * 0) for _ in range(3)])]


SLEEPS_ON_ZEROS = """
def execute(self, requests):
    if not requests[0].inputs()[0].as_numpy().any():
        time.sleep(60)
    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.ones(1))]) for r in requests]
"""


def test_a_process_that_is_killed_fails_its_batch_alone(start: Start) -> None:
    made = start(SLEEPS_ON_ZEROS)
    for _ in range(2):
        errors = killed_in_batch(made, signal.SIGKILL)
        assert [error.kind for error in errors] == [Kind.UNAVAILABLE] * 3
        assert {error.message for error in errors} == {
            "the process of model instance 'model_0' was ended by SIGKILL while it ran this batch"
        }
        assert outputs(made.execute([request(x=ONE)])[0])["x"].tolist() == [1]


def test_a_process_that_is_killed_while_idle_fails_nothing(start: Start) -> None:
    made = start(IDENTITY)
    for pause_s in (0, 0, 0, 0, 0.0003, 0.0005, 0.001, 0.2):
        pid = made.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        time.sleep(pause_s)  # noticed by what is sent, or by the watching thread
        assert (outputs(made.execute([request(x=ONE)])[0])["x"] == ONE).all()
        assert made.pid != pid


@pytest.mark.parametrize(
    ("how", "said"),
    [("os._exit(3)", "ended with exit code 3"), ("os.abort()", "was ended by SIGABRT"),
     ("os.closerange(3, 100) or time.sleep(9)", "was ended by SIGKILL")],
)  # fmt: skip
def test_a_process_that_ends_itself(
    start: Start, how: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trtserve.backends.python.process._END_S", 0.5)
    made = start(DOES)
    assert said in failed(do(made, how)).message
    assert told(made, "1 + 1") == 2


def test_forked_off_processes_do_not_hide_the_end(start: Start) -> None:
    """A child that was forked holds the channel open; it is ended too."""
    made = start(
        "def execute(self, requests):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(100)\n"
        "    os.kill(os.getpid(), 9)",
    )
    began = time.monotonic()
    assert "SIGKILL" in failed(made.execute([request(x=ONE)])[0]).message
    assert time.monotonic() - began < 4


def test_printing_and_closed_outputs_do_not_harm(start: Start) -> None:
    top = "print('at import'); os.write(1, b'raw'); sys.stderr.write('also here')"
    made = start(
        "def execute(self, requests):\n"
        "    print('x' * 100_000); os.write(1, b'\\0' * 9999); sys.stdin.read()\n"
        "    os.close(0); os.close(1); os.close(2)\n"
        "    return [pb_utils.InferenceResponse([]) for r in requests]",
        top,
    )
    assert outputs(made.execute([request(x=ONE)])[0]) == {}


def test_the_log_is_the_servers(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "trtserve")
    made = start(DOES)
    do(made, "[pb_utils.Logger.log_info('info ü'), pb_utils.Logger.log_warn('careful'), "
             "pb_utils.Logger.log_error('e' * 99999), pb_utils.Logger.log_verbose('more'), "
             "pb_utils.Logger.log('plain', pb_utils.Logger.WARNING)]")  # fmt: skip
    made.close(5)
    said = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "trtserve"]
    assert [level for level, _ in said] == ["INFO", "WARNING", "ERROR", "DEBUG", "WARNING"]
    assert said[0][1] == "<string>:1] info ü"
    assert len(said[2][1]) > 50_000


# Loading and ending


@pytest.mark.parametrize(
    ("methods", "top", "message"),
    [
        ("def initialize(self, args): raise ValueError('bad\\nthing')", "",
         "ValueError: bad\nthing\n\nAt:\n  {file}(6): initialize\n"),
        ("def initialize(self): pass", "",
         "TypeError: TritonPythonModel.initialize() takes 1 positional argument but 2 were given"),
        ("pass", "import nothing_of_that_name\n",
         "ModuleNotFoundError: No module named 'nothing_of_that_name'\n\nAt:\n"
         "  {file}(4): <module>\n"),
        ("pass", "x = = 1\n", "SyntaxError: invalid syntax (model.py, line 4)"),
        ("pass", "raise SystemExit(2)\n", "SystemExit: 2\n\nAt:\n  {file}(4): <module>\n"),
        ("def initialize(self, args): os._exit(7)", "",
         "the process of model instance 'model_0' ended with exit code 7"),
    ],
)  # fmt: skip
def test_a_load_that_fails_says_why(
    start: Start, tmp_path: Path, methods: str, top: str, message: str
) -> None:
    with pytest.raises(ServeError) as caught:
        start(methods, top)
    assert caught.value.message == message.format(file=tmp_path / "model" / "1" / "model.py")


def test_a_file_without_the_class(tmp_path: Path) -> None:
    file = write_model(tmp_path, "pass")
    file.write_text("x = 1\n")
    with pytest.raises(ServeError, match=r"'1\.model' has no attribute 'TritonPythonModel'"):
        PythonInstance(PythonModel("model", "1", file, "{}"), "model_0")


def test_models_without_optional_methods(start: Start) -> None:
    made = start("x = 1")
    assert "does not implement `execute`" in failed(made.execute([request(x=ONE)])[0]).message


def test_modules_beside_the_model(tmp_path: Path) -> None:
    file = write_model(
        tmp_path, IDENTITY, "from .near import A\nfrom near import A as B\nimport far\n"
    )
    (file.parent / "near.py").write_text("A = 1\n")
    (file.parent.parent / "far.py").write_text("C = 1\n")
    made = PythonInstance(PythonModel("model", "1", file, "{}"), "model_0")
    made.close(5)
    # The repository is watched for changes: Python must not write its caches there.
    assert not list(tmp_path.rglob("__pycache__"))


def test_finalize_runs_on_close(
    start: Start, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    done = tmp_path / "done"
    made = start(f"def finalize(self):\n    time.sleep(0.3)\n    open({str(done)!r}, 'w')")
    pid = made.pid
    made.close(5)
    assert done.exists()
    assert not Path(f"/proc/{pid}").exists()
    made.close(5)  # twice does no harm
    made = start("def finalize(self): raise ValueError('not yet')")
    made.close(5)
    assert "failed to finalize: ValueError: not yet" in caplog.text


def test_finalize_has_a_deadline(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    made = start("def finalize(self): time.sleep(100)")
    pid = made.pid
    began = time.monotonic()
    made.close(0.3)
    assert time.monotonic() - began < 3
    assert not Path(f"/proc/{pid}").exists()
    assert "has not finalized in time" in caplog.text


def test_a_restart_that_fails_is_not_tried_at_every_batch(start: Start, tmp_path: Path) -> None:
    made = start(
        "def initialize(self, args):\n"
        "    with open(os.path.join(args['model_repository'], 'starts'), 'a') as file:\n"
        "        file.write('x')\n"
        "    if os.path.exists(os.path.join(args['model_repository'], 'broken')):\n"
        "        raise ValueError('broken')\n" + IDENTITY,
    )
    starts, broken = tmp_path / "model" / "starts", tmp_path / "model" / "broken"
    broken.touch()
    pid = made.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.1)
    assert "ValueError: broken" in failed(made.execute([request(x=ONE)])[0]).message
    again = failed(made.execute([request(x=ONE)])[0])
    assert again.kind is Kind.UNAVAILABLE
    assert "tried again shortly" in again.message
    assert starts.read_text() == "xx"
    broken.unlink()
    time.sleep(0.15)
    assert (outputs(made.execute([request(x=ONE)])[0])["x"] == ONE).all()


def test_a_process_ends_with_the_server(tmp_path: Path) -> None:
    """Even in the midst of a long execute, when the server is killed."""
    write_model(tmp_path, "def execute(self, requests): time.sleep(100)")
    server = subprocess.Popen(
        [sys.executable, "-c", f"""
import numpy as np, threading, time
from pathlib import Path
from tests.serve.backends.python.python_models import request
from trtserve.backends.python.instance import PythonInstance, PythonModel
file = Path({str(tmp_path)!r}) / "model" / "1" / "model.py"
made = PythonInstance(PythonModel("model", "1", file, "{{}}"), "model_0")
threading.Thread(target=made.execute, args=([request(x=np.ones(1))],)).start()
time.sleep(0.2)
print(made.pid, flush=True)
"""],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    with server.stdout:
        pid = int(server.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        server.kill()
        server.wait()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()


# Limits


def test_batches_that_need_too_much_memory_are_split(start: Start) -> None:
    methods = "def execute(self, requests):\n    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.array(len(requests)))]) for r in requests]"  # noqa: E501
    made = start(methods, limit_bytes=300_000)
    small, large = request(x=np.ones(10_000)), request(x=np.ones(50_000))
    answers = made.execute([small, small, large, small, small])
    assert failed(answers[2]).kind is Kind.INVALID_ARG
    assert "exceeds the 300000 bytes" in failed(answers[2]).message
    counts = [int(outputs(each)["x"]) for i, each in enumerate(answers) if i != 2]
    assert counts == [2, 2, 2, 2]


def test_outputs_that_need_too_much_memory_fail_alone(start: Start) -> None:
    methods = "def execute(self, requests):\n    return [pb_utils.InferenceResponse([pb_utils.Tensor('x', np.ones(int(r.inputs()[0].as_numpy()[0])))]) for r in requests]"  # noqa: E501
    made = start(methods, limit_bytes=300_000)
    first, second, third = made.execute([request(x=np.array([n])) for n in (10, 10**6, 20)])
    assert outputs(first)["x"].shape == (10,)
    assert "exceed the" in failed(second).message
    assert outputs(third)["x"].shape == (20,)


def test_nothing_is_left_behind(start: Start) -> None:
    def held() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    start(IDENTITY).close(5)
    before = held()
    for _ in range(3):
        made = start(IDENTITY)
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
