"""`--server trtbuild` and what `trtbuild serve` itself says."""

from __future__ import annotations

from pathlib import Path

import pytest
from trtserve.backends.base import BACKENDS
from trtserve.errors import ServeError
from trtserve.loading import candidate, prepare
from trtserve.settings import Settings as ServerSettings

from tests.validate.conftest import Judge
from tests.validate.files import files_of, write
from trtbuild.validate.finding import Severity
from trtbuild.validate.rules.backend.not_served import SERVED

IO = """input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
"""
RTX = (
    '-- demo/config.pbtxt --\nbackend: "tensorrt_rtx"\n'
    'cc_model_filenames { key: "8.6" value: "sm86.plan" }\n'
    "-- demo/1/sm86.plan = rtx plan 1.7.1.116 for 8.6 --\n"
)


def test_the_table_of_backends_is_the_servers() -> None:
    assert sorted(SERVED) == sorted(BACKENDS)


def prepared(model: Path, settings: ServerSettings) -> object:
    return prepare(candidate(model, settings), 1, settings)


@pytest.mark.parametrize(
    "text",
    [
        'backend: "dali"',
        'backend: "python" sequence_batching { direct {} }',
        'platform: "ensemble" ensemble_scheduling {}',
        'backend: "python" model_transaction_policy { decoupled: true }',
        'backend: "python" parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/e" } }',
    ],
)
def test_the_server_refuses_what_we_say_it_refuses(text: str, judge: Judge, tmp_path: Path) -> None:
    files = f"-- demo/config.pbtxt --\n{text}\n{IO}-- demo/1/model.py --\n"
    found = judge(files, server="trtbuild")
    assert {f.code for f in found if f.level == Severity.ERROR} & {"B008", "B012"}
    write(tmp_path / "served", files_of(files))
    settings = ServerSettings(repositories=(tmp_path / "served",), strict_config=True)
    with pytest.raises(ServeError, match=r"not served|unable to find backend|decoupled|ENV_PATH"):
        prepared(tmp_path / "served/demo", settings)


def test_of_an_rtx_repository_each_user_is_told_what_to_do(judge: Judge) -> None:
    """Who publishes for Triton learns that it is none; who serves with trtbuild is not blocked."""
    (found,) = (f for f in judge(RTX) if f.level == Severity.ERROR)
    assert found.code == "B007"
    assert "validate with --server trtbuild" in found.hint
    assert "trtbuild convert --runtime tensorrt" in found.hint
    assert not [f for f in judge(RTX, server="trtbuild") if f.level == Severity.ERROR]


def test_a_plan_that_a_key_names_has_no_fallback(judge: Judge) -> None:
    """On its GPU the model is refused; without keys model.onnx runs wherever no plan is."""
    onnx = f"-- demo/config.pbtxt --\n%s\n{IO}-- demo/1/model.onnx = a:fp32[4] -> b:fp32[4] --\n"
    key = 'cc_model_filenames { key: "8.6" value: "sm86.plan" }'

    def errors(text: str) -> list[str]:
        found = judge(onnx % text, server="trtbuild")
        return [f.code for f in found if f.level == Severity.ERROR]

    assert errors('platform: "tensorrt_plan"') == []
    assert errors(f'platform: "tensorrt_plan" {key}') == ["P002"]


@pytest.mark.parametrize(
    ("gpu", "hint"),
    [
        ("8.9", "`trtbuild convert --runtime tensorrt-rtx --target 8.9`"),
        ("9.0", "TensorRT for RTX builds no plans for 9.0"),
    ],
)
def test_no_hint_proposes_what_is_refused(gpu: str, hint: str, judge: Judge) -> None:
    text = f"# trtbuild: fixture --server trtbuild --gpu {gpu}\n{RTX}"
    (found,) = (f for f in judge(text) if f.code == "P004")
    assert hint in found.hint
    assert ("--runtime tensorrt-rtx" in found.hint) == (gpu == "8.9")


def test_the_portable_model_runs_where_no_plan_fits(judge: Judge) -> None:
    text = f"# trtbuild: fixture --server trtbuild --gpu 9.0\n{RTX}"
    (found,) = (
        f
        for f in judge(text + "-- demo/1/model.onnx = a:fp32[4] -> b:fp32[4] --\n")
        if f.code == "P004"
    )
    assert "model.onnx runs there on ONNX Runtime" in found.message


def test_capabilities_come_in_their_order(judge: Judge) -> None:
    keys = "".join(
        f'cc_model_filenames {{ key: "{key}" value: "a" }}\n' for key in ("12.0", "8.0", "10.0")
    )
    text = (
        '# trtbuild: fixture --gpu 8.9\n-- demo/config.pbtxt --\nplatform: "tensorrt_plan"\n'
        f"{keys}-- demo/1/a = tensorrt plan 10.9.0.34 --\n"
    )
    (found,) = (f for f in judge(text) if f.code == "P004")
    assert found.message.endswith("it has plans for 8.0, 10.0, 12.0")
