"""What `auto_complete_config` gives to the config, seen in the syntax tree."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from tests.validate.files import files_of
from tests.validate.oracle.server import Triton
from trtbuild.validate.finding import Severity

A = '{"name": "a", "data_type": "TYPE_FP32", "dims": [4]}'
B = '{"name": "b", "data_type": "TYPE_FP32", "dims": [4]}'
RAGGED = A.replace("}", ', "allow_ragged_batch": True}')
NO_DIMS = '{"name": "a", "data_type": "TYPE_FP32"}'


def model(body: str, config: str = "") -> str:
    lines = "".join(f"        {line}\n" for line in body.split("\n"))
    return (
        f'-- m/config.pbtxt --\nbackend: "python"\n{config}\n-- m/1/model.py --\n'
        "class TritonPythonModel:\n    @staticmethod\n    def auto_complete_config(c):\n"
        f"{lines}        c.add_output({B})\n        return c\n"
        "    def execute(self, requests):\n        return []\n"
    )


REFUSED = {
    "a key of another name": model(f"c.add_input({RAGGED})"),
    "an output is not optional": model(
        f"c.add_input({A})\nd = {A[:-1]}, 'optional': True}}\nc.add_output(d)"
    ),
    "a key is missing": model(f"d = {NO_DIMS}\nc.add_input(d)"),
    "in a list": model(f"for d in [{A}, {RAGGED}]:\n    c.add_input(d)"),
    "in a list with a name": model(f"ds = [{RAGGED}]\nfor d in ds:\n    c.add_input(d)"),
    "by dict()": model("c.add_input(dict(name='a', data_type='TYPE_FP32', dims=[4], reshape=1))"),
    "a policy of another name": model(
        f"c.add_input({A})\nc.set_model_transaction_policy(dict(coupled=True))"
    ),
    "another type than the config": model(
        f"c.add_input({A})", 'input { name: "a" data_type: TYPE_INT32 dims: [4] }'
    ),
    "other dims than the config": model(
        f"c.add_input({A})", 'input { name: "a" data_type: TYPE_FP32 dims: [5] }'
    ),
}
LOADS = {
    "optional": model(f"c.add_input({A[:-1]}, 'optional': True}})"),
    "keys that come later": model(f"d = {NO_DIMS}\nd['dims'] = [4]\nc.add_input(d)"),
    "keys that go": model(f"d = {RAGGED}\nd.pop('allow_ragged_batch')\nc.add_input(d)"),
    "keys of others": model(f"more = {{'dims': [4]}}\nd = {NO_DIMS}\nc.add_input({{**d, **more}})"),
    "an error that is caught": model(
        f"try:\n    c.add_input({RAGGED})\nexcept ValueError:\n    c.add_input({A})"
    ),
    "as the config": model(
        f"c.add_input({A})\nc.set_model_transaction_policy({{'decoupled': True}})",
        'input { name: "a" data_type: TYPE_FP32 }',
    ),
}
ASKED = {"in a list", "a key is missing", "other dims than the config"}


@pytest.mark.parametrize("case", REFUSED)
def test_what_the_call_refuses_is_an_error(case: str, judge: Judge) -> None:
    errors = [f for f in judge(REFUSED[case]) if f.level == Severity.ERROR]
    assert [f.code for f in errors] == ["Y004"]
    assert errors[0].source == "" or errors[0].line > 2
    strict = judge(REFUSED[case], strict_config=True)
    assert "Y004" not in {f.code for f in strict}


@pytest.mark.parametrize("case", LOADS)
def test_what_it_takes_is_none(case: str, judge: Judge) -> None:
    assert [f for f in judge(LOADS[case]) if f.level == Severity.ERROR] == []


@pytest.mark.parametrize("case", [*sorted(ASKED), "as the config"])  # the others were tried once
def test_triton_agrees(case: str, triton: Triton) -> None:
    verdict = triton.judge(files_of({**REFUSED, **LOADS}[case]), "m")
    assert verdict.accepted == (case in LOADS), verdict.message
