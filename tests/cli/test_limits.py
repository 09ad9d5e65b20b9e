"""Models that never end, as the user sees them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.cli.conftest import Trtbuild


def endless(path: Path) -> Path:
    """A Loop of 2^62 rounds."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Relu", ["v"], ["w"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("go", TensorProto.BOOL, []),
            value("v", TensorProto.FLOAT, ["batch", 8]),
        ],
        [value("on", TensorProto.BOOL, []), value("w", TensorProto.FLOAT, ["batch", 8])],
    )
    graph = helper.make_graph(
        [helper.make_node("Loop", ["n", "true", "x"], ["y"], body=body)],
        "endless",
        [value("x", TensorProto.FLOAT, ["batch", 8])],
        [value("y", TensorProto.FLOAT, ["batch", 8])],
        [
            numpy_helper.from_array(np.array(1 << 62), "n"),
            numpy_helper.from_array(np.array(True), "true"),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def test_a_model_that_loops_for_ever_is_given_up(trtbuild: Trtbuild, tmp_path: Path) -> None:
    path = endless(tmp_path / "endless.onnx")
    options = ("--repo", tmp_path / "repo", "--target", "8.6", "--verify-timeout", "4", "-q")
    done = trtbuild("convert", path, *options)
    assert done.returncode == 1
    assert "error: a step took longer than 4 s and was ended" in done.stderr
    assert "--verify-timeout SECONDS" in done.stderr
    assert not (tmp_path / "repo/endless").exists()
