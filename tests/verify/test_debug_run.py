from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.models import save
from trtbuild.errors import VerificationError
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.verify.bisect import Candidate
from trtbuild.verify.debug_run import candidates, marked, run_wide
from trtbuild.verify.points import Point

HALF = TensorProto.FLOAT16


def overflowing(folder: Path) -> Path:
    """fp16: y = (x * 30000) * 3e-5, which fp16 cannot hold in between; and an index beside it."""
    nodes = [
        helper.make_node("Mul", ["x", "large"], ["big"], name="up"),
        helper.make_node("ArgMax", ["big"], ["index"], name="top", axis=1, keepdims=0),
        helper.make_node("Mul", ["c", "c"], ["folded"], name="constant"),
        helper.make_node("Mul", ["big", "small"], ["y"], name="down"),
    ]
    return save(
        folder / "model.onnx",
        nodes,
        {"x": (HALF, ("batch", 4))},
        {"y": (HALF, ("batch", 4)), "index": (TensorProto.INT64, ("batch",))},
        {
            "large": np.array(3e4, np.float16),
            "small": np.array(3e-5, np.float16),
            "c": np.ones(2, np.float16),
        },
    )


def test_candidates_are_what_is_computed_from_the_inputs(tmp_path: Path) -> None:
    assert candidates(overflowing(tmp_path)) == [
        Candidate("big", "up", "Mul", ()),
        Candidate("index", "top", "ArgMax", ("big",)),  # an output, whatever its type
        Candidate("y", "down", "Mul", ("big",)),
    ]


def test_an_integer_between_two_floats_is_seen_through(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Shape", ["a"], ["s"]),
        helper.make_node("ConstantOfShape", ["s"], ["z"]),
        helper.make_node("Add", ["z", "x"], ["y"]),
    ]
    shape = (TensorProto.FLOAT, ("batch", 4))
    path = save(tmp_path / "model.onnx", nodes, {"x": shape}, {"y": shape})
    assert [(each.tensor, each.inputs) for each in candidates(path)] == [
        ("a", ()),
        ("z", ("a",)),
        ("y", ("z",)),
    ]


def test_marked_tensors_are_outputs_of_their_own_type(tmp_path: Path) -> None:
    model = marked(overflowing(tmp_path), ["big"], tmp_path / "marked")
    assert [str(spec) for spec in model.outputs] == [
        "y fp16 [batch, 4]",
        "index int64 [batch]",
        "big fp16 [batch, 4]",
    ]
    onnx.checker.check_model(onnx.load(model.path))


def test_what_fp16_cannot_hold_is_right_in_fp32(tmp_path: Path) -> None:
    model = marked(overflowing(tmp_path), ["big"], tmp_path / "marked")
    save_tensors(tmp_path / "in", {"x": np.array([[1, 2, 3, 4]], np.float16)})
    (path,) = run_wide(model.path, [Point("min", tmp_path / "in", ())])
    outputs = load_tensors(path)
    np.testing.assert_allclose(outputs["big"], [[3e4, 6e4, 9e4, 12e4]])
    np.testing.assert_allclose(outputs["y"], [[0.9, 1.8, 2.7, 3.6]], rtol=1e-2)
    assert outputs["index"].tolist() == [3]


def test_a_graph_that_onnx_runtime_does_not_run_is_said(tmp_path: Path) -> None:
    node = helper.make_node("Odd", ["x"], ["y"], domain="com.acme")
    shape = (TensorProto.FLOAT, ("batch", 4))
    path = save(tmp_path / "model.onnx", [node], {"x": shape}, {"y": shape})
    with pytest.raises(VerificationError, match="ONNX Runtime cannot run the graph"):
        run_wide(path, [])
