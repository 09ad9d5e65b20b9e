"""Configs beside ONNX files, as ONNX Runtime's backend judges them.

It is no part of the oracle; the verdicts are those of its sources (onnxruntime.cc: ValidateInputs,
ValidateOutputs, AutoCompleteMaxBatch; onnxruntime_utils.cc: CompareDimsSupported).
"""

from __future__ import annotations

import re

import pytest

from tests.validate.conftest import Judge
from trtbuild.validate.finding import Severity

X = 'input { name: "x" data_type: TYPE_FP32 dims: [4] }\n'
Y = 'output { name: "y" data_type: TYPE_FP32 dims: [4] }\n'
B8 = "max_batch_size: 8\n"
RAGGED = 'input { name: "x" data_type: TYPE_FP32 dims: [-1] allow_ragged_batch: true }\n'
ENDS = """batch_input { kind: BATCH_ACCUMULATED_ELEMENT_COUNT target_name: "ends"
  data_type: TYPE_FP32 source_input: "x" }
"""
SCATTER = """batch_output { kind: BATCH_SCATTER_WITH_INPUT_SHAPE target_name: "y"
  source_input: "x" }
"""
START = """sequence_batching { control_input { name: "s"
  control { kind: CONTROL_SEQUENCE_START int32_false_true: [0, 1] } } }
"""
CORRID = """sequence_batching { control_input { name: "s"
  control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_INT64 } } }
"""
STATE = """sequence_batching { state { input_name: "i" output_name: "o"
  data_type: TYPE_FP32 dims: [4] } }
"""


def dims(entry: str, value: str) -> str:
    return re.sub(r"\[.*\]", value, entry)


def optional(entry: str) -> str:
    return entry.replace(" }", " optional: true }")


S = 'input { name: "s" data_type: TYPE_FP32 dims: [1] }\n'
GOOD = {
    "a size where the file's input varies": (X + Y, "x:fp32[N] -> y:fp32[4]"),
    "a varying output": (X + dims(Y, "[-1]"), "x:fp32[4] -> y:fp32[C]"),
    "a ragged input and its ends": (
        B8 + RAGGED + dims(Y, "[-1]") + ENDS + SCATTER,
        "x:fp32[T] ends:fp32[N] -> y:fp32[T]",
    ),
    "an output that is scattered": (
        B8 + RAGGED + dims(Y, "[7, 7]") + ENDS + SCATTER,
        "x:fp32[T] ends:fp32[N] -> y:fp32[T,3]",
    ),
    "a scalar input of a model that batches": (
        B8 + X + S + Y,
        "x:fp32[N,4] s:fp32[] -> y:fp32[N,4]",
    ),
    "a scalar written with many ones": (
        X + dims(S, "[1, 1]") + Y,
        "x:fp32[4] s:fp32[] -> y:fp32[4]",
    ),
    "a start": (B8 + X + Y + START, "x:fp32[N,4] s:int32[N,1] -> y:fp32[N,4]"),
    "a start without a batch": (X + Y + START, "x:fp32[4] s:int32[1] -> y:fp32[4]"),
    "a correlation ID": (B8 + X + Y + CORRID, "x:fp32[N,4] s:int64[N,1] -> y:fp32[N,4]"),
    "a start whose batch dim is fixed": (
        B8 + X + Y + START,
        "x:fp32[N,4] s:int32[1,1] -> y:fp32[N,4]",
    ),
    "a state": (X + Y + STATE, "x:fp32[4] i:fp32[4] -> y:fp32[4] o:fp32[4]"),
    "auto-complete sets the batch": (X, "x:fp32[N,4] -> y:fp32[N,4]"),
    "auto-complete sets the batch, of inputs too": (Y, "x:fp32[N,4] -> y:fp32[N,4]"),
    "no auto-complete where both are listed": (
        dims(X, "[-1, 4]") + dims(Y, "[-1, 4]"),
        "x:fp32[N,4] -> y:fp32[N,4]",
    ),
    "an initializer that is optional": (
        X + optional(S) + Y,
        "x:fp32[4] s:fp32[1] -> y:fp32[4] given s",
    ),
    "an initializer that is not listed": (X + Y, "x:fp32[4] s:fp32[1] -> y:fp32[4] given s"),
    "an output without a rank": (X + Y, "x:fp32[4] -> y:fp32[*]"),
    "an output that is not listed and does not batch": (
        B8 + X + Y,
        "x:fp32[N,4] -> y:fp32[N,4] z:fp32[3]",
    ),
}
BAD = {
    "-1 where the file's input has a size": (dims(X, "[-1]") + Y, "x:fp32[4] -> y:fp32[4]", "F005"),
    "a size where the file's output varies": (
        B8 + X + dims(Y, "[1000]"),
        "x:fp32[N,4] -> y:fp32[N,C]",
        "F005",
    ),
    "the batch as a size of an output": (
        dims(X, "[-1, 4]") + dims(Y, "[1, 4]"),
        "x:fp32[N,4] -> y:fp32[N,4]",
        "F005",
    ),
    "-1 where the file's output has a size": (
        X + dims(Y, "[-1]"),
        "x:fp32[4] -> y:fp32[4]",
        "F005",
    ),
    "a ragged input with two dims": (
        B8 + RAGGED + Y,
        "x:fp32[N,4] -> y:fp32[N,4]",
        "F017",
    ),
    "an optional input of a model that batches": (
        B8 + X + optional(S) + Y,
        "x:fp32[N,4] s:fp32[N,1] -> y:fp32[N,4] given s",
        "F016",
    ),
    "an optional input that has no value": (
        X + optional(S) + Y,
        "x:fp32[4] s:fp32[1] -> y:fp32[4]",
        "F016",
    ),
    "an initializer before overriding was": (
        X + optional(S) + Y,
        "x:fp32[4] s:fp32[1] -> y:fp32[4] given s ir 3",
        "F003",
    ),
    "an initializer that must be given": (
        X + S + Y,
        "x:fp32[4] s:fp32[1] -> y:fp32[4] given s",
        "F016",
    ),
    "a scalar with a size": (X + dims(S, "[2]") + Y, "x:fp32[4] s:fp32[] -> y:fp32[4]", "F005"),
    "an input without a rank": (X + Y, "x:fp32[*] -> y:fp32[4]", "F005"),
    "a scalar of a model that batches, auto-completed": (
        B8 + X + S,
        "x:fp32[N,4] s:fp32[] -> y:fp32[N,4]",
        "F006",
    ),
    "a start that the file has not": (B8 + X + Y + START, "x:fp32[N,4] -> y:fp32[N,4]", "F015"),
    "a start of another shape": (
        B8 + X + Y + START,
        "x:fp32[N,4] s:int32[N] -> y:fp32[N,4]",
        "F015",
    ),
    "a start of another type": (
        B8 + X + Y + START,
        "x:fp32[N,4] s:fp32[N,1] -> y:fp32[N,4]",
        "F015",
    ),
    "a correlation ID of another type": (
        X + Y + CORRID,
        "x:fp32[4] s:int32[1] -> y:fp32[4]",
        "F015",
    ),
    "controls that auto-complete lists too": (
        Y + START,
        "x:fp32[4] s:int32[1] -> y:fp32[4]",
        "F003",
    ),
    "a state that the file has not": (X + Y + STATE, "x:fp32[4] -> y:fp32[4]", "F003"),
    "an input that stands twice": (X + X + Y, "x:fp32[4] -> y:fp32[4]", "F003"),
    "a batch dim where auto-complete batches": (
        dims(X, "[-1, 4]"),
        "x:fp32[N,4] -> y:fp32[N,4]",
        "F005",
    ),
}


def errors(judge: Judge, config: str, interface: str, **settings: object) -> set[str]:
    text = f'-- demo/config.pbtxt --\nplatform: "onnxruntime_onnx"\n{config}'
    found = judge(f"{text}-- demo/1/model.onnx = {interface} --\n", **settings)
    return {finding.code for finding in found if finding.level == Severity.ERROR}


@pytest.mark.parametrize("case", GOOD)
def test_no_error(case: str, judge: Judge) -> None:
    assert errors(judge, *GOOD[case]) == set()


@pytest.mark.parametrize("case", BAD)
def test_one_kind_of_error(case: str, judge: Judge) -> None:
    config, interface, code = BAD[case]
    assert errors(judge, config, interface) == {code}


def test_without_auto_complete_no_batch_is_set(judge: Judge) -> None:
    config, interface, _ = BAD["a batch dim where auto-complete batches"]
    assert errors(judge, config, interface, strict_config=True) == set()
