"""What a model answers, and what it does wrong. Texts are Triton 2.51's, tried on it."""

from pathlib import Path

import numpy as np
import pytest
from trtserve.backends.python.instance import PythonInstance
from trtserve.errors import Kind

from tests.serve.backends.python.python_models import (
    ECHO,
    ONE,
    Load,
    do,
    failed,
    outputs,
    request,
    told,
)

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
    load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture, raised: str, text: str
) -> None:
    made = load(
        f"def execute(self, requests):\n    self.fail()\ndef fail(self):\n    raise {raised}",
    )
    file = tmp_path / "model" / "1" / "model.py"
    for _ in range(2):  # the process lives on
        errors = [failed(answer) for answer in made.execute([request(x=ONE) for _ in range(3)])]
        assert {error.kind for error in errors} == {Kind.INTERNAL}
        assert {error.message for error in errors} == {
            f"{BATCH}{text}\n\nAt:\n  {file}(9): fail\n  {file}(7): execute\n"
        }
    logged = [record.message for record in caplog.records if record.message.startswith(BATCH)]
    assert logged == [errors[0].message] * 2  # once a batch


def test_an_error_in_one_response_is_that_requests_alone(load: Load) -> None:
    made = load(
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
    assert answer.form.parameters == {"k": 1}
    limits = {"a": -(2**63), "b": 2**63 - 1, "c": 0.5, "d": True, "e": "ü", "": 0}
    answer = do(doer, f"[pb_utils.InferenceResponse([], parameters={limits})]")
    assert answer.form.parameters == limits


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ("{'k': object}", "bool/int/float/str, found type <class 'type'> in 'k'"),
        ("{'a': [1, 2], 'b': None}", "bool/int/float/str, found type <class 'list'> in 'a'"),
        ("{'b': None}", "bool/int/float/str, found type <class 'NoneType'> in 'b'"),
        ("{1: 'k'}", "Expect parameters keys to have type str, found type <class 'int'>"),
        ("[('k', 1)]", "Expect parameters of type dict, got <class 'list'>"),
        (
            "{'a': 2**70}",
            "parameter 'a' is 1180591620717411303424: a signed 64-bit number must hold it",
        ),
        (
            "{'a': 2**63}",
            "parameter 'a' is 9223372036854775808: a signed 64-bit number must hold it",
        ),
        ("{'a': float('nan')}", "parameter 'a' is nan, which JSON cannot say"),
        ("{'a': -float('inf')}", "parameter 'a' is -inf, which JSON cannot say"),
    ],
)
def test_response_parameters_that_no_protocol_can_say(
    doer: PythonInstance, parameters: str, says: str
) -> None:
    """Refused where the model states them, so that both protocols say the same."""
    error = failed(do(doer, f"[pb_utils.InferenceResponse([], parameters={parameters})]"))
    assert error.kind is Kind.INTERNAL
    assert error.message.startswith(BATCH + "TritonModelException: ")
    assert says in error.message


def test_coroutines_are_run(load: Load) -> None:
    made = load(
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
