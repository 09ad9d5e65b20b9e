from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import apply, f32, job, model, node, note, operated, run
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.raise_scalars import RaiseScalars


def scalars() -> onnx.ModelProto:
    """y [4] = x [4] * factor [], and total [] = sum(y)."""
    return model(
        [
            node("Mul", ["x", "factor"], ["y"]),
            node("ReduceSum", ["y"], ["total"], keepdims=0),
            node("Neg", ["total"], ["negative"]),
        ],
        ["x fp32 [4]", "factor fp32 []"],
        ["y fp32 [4]", "total fp32 []", "negative fp32 []"],
    )


def test_scalars_get_one_dim_and_the_numbers_stay(tmp_path: Path) -> None:
    result = operated(tmp_path, scalars())
    assert [str(spec) for spec in result.model.inputs] == ["x fp32 [4]", "factor fp32 [1]"]
    assert [str(spec) for spec in result.model.outputs] == [
        "y fp32 [4]",
        "total fp32 [1]",
        "negative fp32 [1]",
    ]
    assert note(result, "raise_scalars").note == (
        "scalars got the shape [1]: factor, total, negative"
    )
    x = f32(4)
    outputs = run(result.onnx, x=x, factor=np.array([2.0], dtype=np.float32))
    np.testing.assert_allclose(outputs["total"], [np.sum(2 * x)], rtol=1e-5)
    np.testing.assert_allclose(outputs["negative"], [-np.sum(2 * x)], rtol=1e-5)


def test_a_model_without_scalars_is_left_alone() -> None:
    plain = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    assert apply(RaiseScalars(), job(plain)) == (False, "no input or output is a scalar")


def test_a_scalar_left_breaks_the_promise() -> None:
    with pytest.raises(ContractError, match="'factor' is still a scalar"):
        RaiseScalars().ensures(job(scalars()))
