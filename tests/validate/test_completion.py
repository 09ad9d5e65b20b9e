"""What a backend may fill in is unknown, until it is known that this backend fills in nothing."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from tests.validate.files import files_of
from tests.validate.oracle.server import COMPLETER, Triton
from trtbuild.validate.finding import Severity

ENSEMBLE = """-- e/config.pbtxt --
platform: "ensemble"
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
ensemble_scheduling { step { model_name: "m" model_version: -1
  input_map { key: "a" value: "a" } output_map { key: "b" value: "b" } } }
-- e/1/ --
"""
HELPER = COMPLETER.replace("TritonPythonModel", "Helper")
FROM = "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))\n"
# `triton` starts Python-based backends of the name `completer` (oracle/server.py).
FILLED = {
    "an own backend": '-- m/config.pbtxt --\nbackend: "completer"\n-- m/1/ --\n',
    "an own backend, types and dims": '-- m/config.pbtxt --\nbackend: "completer"\n'
    'input { name: "a" }\noutput { name: "b" }\n-- m/1/ --\n',
}
ELSEWHERE = {
    "imported with all": "from helper import *\nTritonPythonModel = Helper\n",
    "imported": "from helper import Helper as TritonPythonModel\n",
    "inherited": "import helper\nclass TritonPythonModel(helper.Helper):\n    pass\n",
    "assigned": "import helper\nTritonPythonModel = helper.Helper\n",
    "made": "import helper\nTritonPythonModel = type('M', (helper.Helper,), {})\n",
    "set on the class": "import helper\nclass TritonPythonModel:\n"
    "    def execute(self, requests):\n        return []\n"
    "TritonPythonModel.auto_complete_config = staticmethod(helper.Helper.auto_complete_config)\n",
    "set by a name that is made": "import helper\nclass TritonPythonModel:\n"
    "    def execute(self, requests):\n        return []\n"
    "name = 'auto' + '_complete_config'\n"
    "setattr(TritonPythonModel, name, staticmethod(getattr(helper.Helper, name)))\n",
    "put into the class": "import helper\nclass TritonPythonModel:\n"
    "    locals().update(vars(helper.Helper))\n",
    "set by name": "import helper\nclass TritonPythonModel:\n"
    "    def execute(self, requests):\n        return []\n"
    "setattr(TritonPythonModel, 'auto_complete_config',"
    " staticmethod(helper.Helper.auto_complete_config))\n",
}
CLASSES = {
    f"a class {how}": f'-- m/config.pbtxt --\nbackend: "python"\n-- m/1/helper.py --\n{HELPER}'
    f"-- m/1/model.py --\n{FROM}{text}"
    for how, text in ELSEWHERE.items()
}


# Each has a process of its own; the rest was tried once.
ASKED = {**FILLED, **{case: CLASSES[case] for case in ("a class inherited", "a class set by name")}}


@pytest.mark.parametrize("case", [*FILLED, *CLASSES])
def test_a_member_that_completes_itself_has_what_the_ensemble_names(
    case: str, judge: Judge
) -> None:
    found = judge(ENSEMBLE + {**FILLED, **CLASSES}[case])
    assert [f for f in found if f.level == Severity.ERROR] == []


@pytest.mark.parametrize("case", ASKED)
def test_triton_takes_members_of_an_ensemble_that_complete_themselves(
    case: str, triton: Triton
) -> None:
    verdict = triton.judge(files_of(ENSEMBLE + ASKED[case]), "e")
    assert verdict.accepted, verdict.message


def test_a_class_that_completes_nothing_lacks_the_tensors(judge: Judge, triton: Triton) -> None:
    text = ENSEMBLE + '-- m/config.pbtxt --\nbackend: "python"\n-- m/1/model.py --\n'
    assert not triton.judge(files_of(text), "e").accepted
    assert {f.code for f in judge(text) if f.level == Severity.ERROR} == {"E014"}


@pytest.mark.parametrize("backend", ["vllm", "mine", "fil", "dali", "completer"])
@pytest.mark.parametrize("part", ["", "data_type: TYPE_FP32", "dims: [4]"])
def test_a_tensor_without_type_or_dims_is_no_error(backend: str, part: str, judge: Judge) -> None:
    text = f'backend: "{backend}"\ninput {{ name: "a" {part} }}\noutput {{ name: "b" {part} }}\n'
    found = [f for f in judge(text) if f.code in ("I002", "I003")]
    assert found
    assert {f.level for f in found} == {Severity.INFO if backend == "dali" else Severity.WARNING}
    strict = [f for f in judge(text, strict_config=True) if f.code in ("I002", "I003")]
    assert {f.level for f in strict} == {Severity.ERROR}


@pytest.mark.parametrize("backend", ["pytorch", "identity", "tensorrtllm"])
def test_it_is_one_where_the_backend_fills_in_nothing(backend: str, judge: Judge) -> None:
    found = judge(f'backend: "{backend}"\ninput {{ name: "a" }}\n')
    assert {f.code for f in found if f.level == Severity.ERROR} >= {"I002", "I003"}


def test_a_whole_config_may_be_made(judge: Judge, triton: Triton) -> None:
    text = "-- m.completer/1/ --\n"
    assert triton.judge(files_of(text), "m.completer").accepted
    assert {f.level for f in judge(text)} == {Severity.INFO}
    none = "-- m.identity/1/ --\n"  # which makes none
    assert not triton.judge(files_of(none), "m.identity").accepted
    errors = [f.code for f in judge("-- m.identity/1/ --\n") if f.level == Severity.ERROR]
    assert errors == ["L010"]


def test_a_batch_size_that_python_may_raise(judge: Judge, triton: Triton) -> None:
    raising = HELPER.replace(
        "        return config", "        config.set_max_batch_size(8)\n        return config"
    ).replace("Helper", "TritonPythonModel")
    text = ENSEMBLE.replace('"ensemble"', '"ensemble" max_batch_size: 8') + (
        f'-- m/config.pbtxt --\nbackend: "python" max_batch_size: 4\n-- m/1/model.py --\n{raising}'
    )
    assert triton.judge(files_of(text), "e").accepted
    assert [f for f in judge(text) if f.level == Severity.ERROR] == []


def test_a_scalar_of_a_batch_size_that_is_filled_in(judge: Judge, triton: Triton) -> None:
    source = (
        HELPER.replace("config.add_input(", "config.set_max_batch_size(8); (")
        .replace("config.add_output(", "(")
        .replace("Helper", "TritonPythonModel")
    )
    text = (
        '-- m/config.pbtxt --\nbackend: "python"\n'
        'input { name: "a" data_type: TYPE_FP32 dims: [1] reshape { shape: [] } }\n'
        'output { name: "b" data_type: TYPE_FP32 dims: [4] }\n-- m/1/model.py --\n' + source
    )
    assert triton.judge(files_of(text), "m").accepted
    assert [f for f in judge(text) if f.level == Severity.ERROR] == []
