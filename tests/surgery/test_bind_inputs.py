from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.surgery.models import f32, i64, model, node, operated, ops, run, value
from trtbuild.errors import SurgeryError


def two_rates() -> onnx.ModelProto:
    """As speech models: a sample rate picks one of two networks, each with a width of its own."""

    def branch(name: str, width: int) -> onnx.GraphProto:
        shape = onnx.numpy_helper.from_array(i64(-1, 4, width), f"{name}_s")
        nodes = [
            node("Reshape", ["x", f"{name}_s"], [f"{name}_r"]),
            node("ReduceMean", [f"{name}_r"], [f"{name}_y"], axes=[2], keepdims=0),
        ]
        return helper.make_graph(nodes, name, [], [value(f"{name}_y fp32 [b, 4]")], [shape])

    return model(
        [
            node("Equal", ["rate", "high"], ["is_high"]),
            node("If", ["is_high"], ["y"], then_branch=branch("t", 8), else_branch=branch("e", 6)),
        ],
        ["x fp32 [batch, 32]", "rate int64 []"],
        ["y fp32 [b, 4]"],
        {"high": np.int64(16000)},
    )


def test_a_branch_is_decided_and_folded(tmp_path: Path) -> None:
    result = operated(tmp_path, two_rates(), bind={"rate": "16000"})
    assert [str(spec) for spec in result.model.inputs] == ["x fp32 [batch, 32]"]
    assert ops(result.onnx) == ["Reshape", "ReduceMean"]
    assert result.bound == {"rate": "16000"}
    x = f32(3, 32)
    expected = run(two_rates(), x=x, rate=np.array(16000))["y"]
    np.testing.assert_allclose(run(result.onnx, x=x)["y"], expected, rtol=1e-5)


def test_an_unknown_name_is_answered_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError, match=r"there are: x fp32 \[batch, 32\]; rate int64 \[\]"):
        operated(tmp_path, two_rates(), bind={"sr": "1"})


def test_what_the_exporter_left_out_is_bound_already(tmp_path: Path) -> None:
    result = operated(tmp_path, two_rates(), bind={"sr": "1"}, bound_by_source=True)
    assert len(result.model.inputs) == 2


def test_one_input_stays(tmp_path: Path) -> None:
    made = model([node("Neg", ["x"], ["y"])], ["x fp32 [2]"], ["y fp32 [2]"])
    with pytest.raises(SurgeryError, match="leaves the model no input"):
        operated(tmp_path, made, bind={"x": "1"})
