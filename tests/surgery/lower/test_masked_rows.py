from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node, ops

INF = np.float32(np.inf)


def safe_softmax(limit: float = -np.inf, dtype: str = "fp32") -> onnx.ModelProto:
    """Softmax of x + mask, 0 for a row whose mask is `limit` throughout; as ONNX's Attention."""
    to = {"fp32": onnx.TensorProto.FLOAT, "fp16": onnx.TensorProto.FLOAT16}[dtype]
    return model(
        [
            node("Add", ["x", "mask"], ["scores"]),
            node("Softmax", ["scores"], ["weights"]),
            node("Cast", ["weights"], ["cast"], to=to),
            node("ReduceMax", ["mask"], ["most"], axes=[-1]),
            node("Equal", ["most", "limit"], ["all"]),
            node("Where", ["all", "zero", "cast"], ["y"]),
        ],
        ["x fp32 [2, 3, 4]", "mask fp32 [2, 3, 4]"],
        [f"y {dtype} [2, 3, 4]"],
        {"limit": np.float32(limit), "zero": np.zeros((), {"fp32": "f4", "fp16": "f2"}[dtype])},
    )


def mask() -> np.ndarray:
    hidden = np.zeros((2, 3, 4), np.float32)
    hidden[0, 1] = -INF  # the whole row
    hidden[1, 2, :3] = -INF
    hidden[1, 0] = np.finfo(np.float32).min  # hides nothing from what is hidden alike
    return hidden


@pytest.mark.parametrize("dtype", ["fp32", "fp16"])
def test_a_row_that_is_hidden_whole_is_zero(tmp_path: Path, dtype: str) -> None:
    x = f32(2, 3, 4)
    result = check_rewritten(tmp_path, safe_softmax(dtype=dtype), x=x, mask=mask())
    assert "Equal" not in ops(result)


def test_no_softmax_of_infinities_is_left(tmp_path: Path) -> None:
    """What TensorRT makes NaN of is not there: softmax is taken of numbers alone."""
    made = safe_softmax()
    result = check_rewritten(tmp_path, made, x=f32(2, 3, 4), mask=mask())
    nodes = onnx.load(result.path).graph.node
    makers = {name: entry.op_type for entry in nodes for name in entry.output}
    assert [makers[n.input[0]] for n in nodes if n.op_type == "Softmax"] == ["Max"]


def test_another_limit_is_left_alone() -> None:
    check_left_alone(safe_softmax(limit=-1e9))
