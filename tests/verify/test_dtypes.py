from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.verify.models import scaled
from trtbuild.verify.dtypes import cast_to, precision_of


@pytest.mark.parametrize(
    ("factor", "precision"),
    [(np.float32(2), "fp32"), (np.float16(2), "fp16"), (ml_dtypes.bfloat16(2), "bf16")],
)
def test_the_coarsest_float_decides(tmp_path: Path, factor: object, precision: str) -> None:
    assert precision_of(onnx.load(scaled(tmp_path, factor).path)) == precision


def test_a_cast_inside_counts() -> None:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n"]) for n in "xy")
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT8E4M3FN),
        helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]))
    assert precision_of(model) == "fp8"


def test_casts() -> None:
    assert cast_to(np.ones(2), "bf16").dtype == ml_dtypes.bfloat16
    assert cast_to(np.ones(2), "int64").dtype == np.int64
    text = np.array(["a"], object)
    assert cast_to(text, "string") is text
