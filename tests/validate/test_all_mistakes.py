"""One mistake hides no other: faults of the text, of the rules and of ensembles in one run."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity

# Seven mistakes that rules find; the text of each can be read.
SEVEN = """backend: "onnxruntime" max_batch_size: 4
input { name: "a" data_type: TYPE_FP32 dims: [0] }
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] reshape { shape: [5] } }
output { name: "c" dims: [4] }
dynamic_batching { preferred_batch_size: [99] priority_levels: 2 }
instance_group { kind: KIND_CPU gpus: [0] }
"""
CODES = {"I004", "I010", "I006", "I002", "D001", "D002", "G001"}
# What cannot be read, in a place that decides nothing of these.
LARGE = "optimization {{ gather_kernel_buffer_threshold: {} }}"
FAULTS = {
    "an unknown value": (
        "C003",
        "model_warmup { name: 'w' inputs { key: 'z' value { data_type: FP33 } } }",
    ),
    "an unknown field": ("C002", "optimisation { }"),
    "a number out of range": ("C004", LARGE.format("99999999999")),
    "a field given twice": ("C005", 'backend: "python"'),
    "no colon": ("C001", "metric_tags { key: 'a' value 'b' }"),
    "no quotes": ("C001", "metric_tags { key: 'a' value: b }"),
    "a placeholder": ("C007", LARGE.format("${N}")),
    "a placeholder like a comment": ("C007", LARGE.format("#N\n")),
}


def codes(judge: Judge, text: str) -> set[str]:
    return {f.code for f in judge(text) if f.level >= Severity.WARNING}


def test_the_seven_are_found_where_all_can_be_read(judge: Judge) -> None:
    assert codes(judge, SEVEN) >= CODES


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_text_hides_none_of_them(fault: str, judge: Judge) -> None:
    code, text = FAULTS[fault]
    assert codes(judge, SEVEN + text) >= {*CODES, code}
    assert codes(judge, text + "\n" + SEVEN) >= {*CODES - {"D002"}, code}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("max_batch_size: many", "C001"),
        ("max_batchsize: 8", "C002"),
        ("input { name: 'a' data_type: FP33 dims: [4] }", "C003"),
        ("input { name: 'a' data_type: TYPE_FP32 dims: [x] }", "C001"),
        ("input { name: 'a' data_type: TYPE_FP32 dimension_s: [4] }", "C002"),
        ("instance_group { kind: KIND_GPUX gpus: [0] }", "C003"),
        ("max_batch_size: 4 dynamic_batching { preferred_batch_size: [four] }", "C001"),
    ],
)
def test_what_depends_on_it_is_not_judged(text: str, code: str, judge: Judge) -> None:
    """Nobody knows what was meant, so nothing that follows from it is a mistake."""
    assert codes(judge, f'backend: "python"\n{text}\n') == {code}


def test_an_ensemble_is_judged_with_its_members(judge: Judge) -> None:
    text = """-- e/config.pbtxt --
platform: "ensemble"
max_batch_size: ${N}
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
ensemble_scheduling { step { model_name: "m" model_version: -1
  input_map { key: "x" value: "a" } output_map { key: "b" value: "b" } }
  step { model_name: "none" model_version: -1
  input_map { key: "x" value: "a" } output_map { key: "b" value: "c" } } }
-- e/1/ --
-- m/config.pbtxt --
backend: "python"
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
-- m/1/model.py --
"""
    assert codes(judge, text) == {"C007", "E008", "E009", "E014"}


def test_what_is_sure_is_mended_at_once(judge: Judge) -> None:
    text = 'backend: "python"\n' + "".join(
        f"input {{ name: '{name}' data_type: FLOAT dims: [4] }}\n" for name in "abcdefgh"
    )
    assert len([f for f in judge(text) if f.code == "C003" and f.fix]) == 8
