"""The types of tensors that the server makes, beside the model file's."""

from __future__ import annotations

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity

RAGGED = """-- m/config.pbtxt --
platform: "onnxruntime_onnx"
max_batch_size: 8
input {{ name: "x" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true }}
output {{ name: "y" data_type: TYPE_FP32 dims: [-1] }}
batch_input {{ kind: {} target_name: "lengths" data_type: {} source_input: "x" }}
-- m/1/model.onnx = x:fp32[N] lengths:{}[M] -> y:fp32[N,K] --
"""
KINDS = ("BATCH_ELEMENT_COUNT", "BATCH_ACCUMULATED_ELEMENT_COUNT", "BATCH_ITEM_SHAPE_FLATTEN")
STATE = """-- m/config.pbtxt --
platform: "onnxruntime_onnx"
input {{ name: "x" data_type: TYPE_FP32 dims: [4] }}
output {{ name: "y" data_type: TYPE_FP32 dims: [4] }}
sequence_batching {{ state {{
  input_name: "s" output_name: "t" data_type: {} dims: [4] }} }}
-- m/1/model.onnx = x:fp32[4] s:{}[4] -> y:fp32[4] t:{}[4] --
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given", ["TYPE_FP32", "TYPE_INT32"])
@pytest.mark.parametrize("wanted", ["fp32", "int32", "int64", "fp16"])
def test_a_batch_input_has_the_type_of_the_input_it_feeds(
    kind: str, given: str, wanted: str, judge: Judge
) -> None:
    found = [f for f in judge(RAGGED.format(kind, given, wanted)) if f.code == "F004"]
    if given == f"TYPE_{wanted.upper()}":
        assert found == []
        return
    (finding,) = found
    assert finding.level == Severity.WARNING  # it loads, and every request fails
    assert "'lengths'" in finding.message
    can_be = wanted in ("fp32", "int32")
    assert bool(finding.fix) == can_be
    assert ("export the model" in finding.hint) == (not can_be)


@pytest.mark.parametrize(
    ("given", "file_in", "file_out", "about"),
    [
        ("TYPE_FP32", "fp32", "fp32", []),
        ("TYPE_FP32", "fp16", "fp32", ["input 's'"]),
        ("TYPE_INT32", "int32", "int64", ["output 't'"]),
    ],
)
def test_a_state_has_the_types_of_the_file(
    given: str, file_in: str, file_out: str, about: list[str], judge: Judge
) -> None:
    found = [f for f in judge(STATE.format(given, file_in, file_out)) if f.code == "F004"]
    assert len(found) == len(about)
    assert all(part in f.message for part, f in zip(about, found, strict=True))
