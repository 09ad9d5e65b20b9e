"""A hint never says to write what is written."""

from __future__ import annotations

import re

import pytest

from tests.validate.conftest import Judge

CONFIG = """-- m/config.pbtxt --
platform: "onnxruntime_onnx"
max_batch_size: {batch}
input {{ name: "x" data_type: TYPE_FP32 {dims} }}
output {{ name: "y" data_type: TYPE_FP32 {dims} }}
-- m/1/model.onnx = x:fp32[{shape}] -> y:fp32[{shape}] --
"""
SHAPES = ("", "N", "4", "N,4", "N,1", "N,N", "1")
WRITTEN = (
    "dims: [1]",
    "dims: [4]",
    "dims: [-1]",
    "dims: [-1, 4]",
    "dims: [1] reshape { shape: [] }",
    "dims: [1] reshape { shape: [1] }",
    "dims: [4] reshape { shape: [4, 1] }",
    "dims: [1] reshape { shape: [1, 1] }",
)


@pytest.mark.parametrize("batch", [0, 8])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_the_hint_says_mends_the_dims(batch: int, shape: str, judge: Judge) -> None:
    for dims in WRITTEN:
        text = CONFIG.format(batch=batch, dims=dims, shape=shape)
        found = [f for f in judge(text) if f.code == "F005"]
        for finding in found:
            (said,) = re.findall(r"^write (.*)", finding.hint)
            assert said not in (dims, dims.partition(" reshape ")[2])
            new = re.sub(r"reshape .*", said, dims) if said.startswith("reshape") else said
            new = new.removesuffix(" without a reshape")
            mended = judge(CONFIG.format(batch=batch, dims=new, shape=shape))
            assert finding.message not in [f.message for f in mended], (text, new)
