"""Names that other models know a model by: no repair takes them away."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge

MODEL = '-- new/config.pbtxt --\nname: "old" backend: "python"\n-- new/1/model.py --\n'
STEP = """-- e/config.pbtxt --
platform: "ensemble"
ensemble_scheduling { step { model_name: "old" model_version: -1 } }
-- e/1/ --
"""
NAMING = {
    "a step of an ensemble": STEP,
    "a parameter": "-- e/config.pbtxt --\nbackend: 'python'\n"
    "parameters { key: 'draft' value { string_value: 'old' } }\n-- e/1/model.py --\n",
    "a call in Python": "-- e/config.pbtxt --\nbackend: 'python'\n-- e/1/model.py --\n"
    "class TritonPythonModel:\n    def execute(self, requests):\n"
    "        return [pb.InferenceRequest(model_name='old')]\n",
    "a config of another name": "-- e/configs/a.pbtxt --\n" + STEP.partition("\n")[2],
}


@pytest.mark.parametrize("case", NAMING)
def test_a_name_that_others_know_is_not_rewritten(case: str, judge: Judge) -> None:
    (finding,) = (f for f in judge(MODEL + NAMING[case]) if f.code == "L007")
    assert finding.fix == ()
    assert finding.hint == "rename the folder to 'old', as 'e' names it"


@pytest.mark.parametrize(
    "others", ["", STEP.replace("old", "older"), STEP + "-- old/1/model.py --\n"]
)
def test_one_that_nobody_knows_or_another_model_has_is(others: str, judge: Judge) -> None:
    (finding,) = (f for f in judge(MODEL + others) if f.code == "L007")
    assert finding.fix != ()


def test_a_tensor_that_an_ensemble_maps_is_not_renamed(judge: Judge) -> None:
    text = """-- m/config.pbtxt --
platform: "onnxruntime_onnx"
input { name: "image" data_type: TYPE_FP32 dims: [4] }
output { name: "y" data_type: TYPE_FP32 dims: [4] }
-- m/1/model.onnx = x:fp32[4] -> y:fp32[4] --
"""
    step = """-- e/config.pbtxt --
platform: "ensemble"
ensemble_scheduling { step { model_name: "m" model_version: -1
  input_map { key: "image" value: "a" } output_map { key: "y" value: "b" } } }
-- e/1/ --
"""
    (alone,) = (f for f in judge(text) if f.code == "F003")
    (mapped,) = (f for f in judge(text + step) if f.code == "F003")
    assert alone.fix != ()
    assert mapped.fix == ()
