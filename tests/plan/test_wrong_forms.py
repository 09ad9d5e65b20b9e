"""Each form that TensorRT computes wrongly is refused by name, and its neighbours are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from trtbuild.errors import PlanError
from trtbuild.onnx_model import describe
from trtbuild.plan.network import network_from_onnx
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import session
from trtbuild.plan.wrong_forms import FORMS, wrong_forms

CEIL: dict[str, Any] = {"kernel_shape": [1, 1], "strides": [2, 2], "ceil_mode": 1}
F = onnx.TensorProto.FLOAT


def made(
    op: str,
    shape: list[Any],
    constants: dict[str, Any] | None = None,
    opset: int = 17,
    **attrs: Any,
) -> onnx.ModelProto:
    """`op` of an input x of `shape` and constants, as a model."""
    arrays = {name: np.asarray(array) for name, array in (constants or {}).items()}
    node = helper.make_node(op, ["x", *arrays], ["y"], name="it", **attrs)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", F, shape)],
        [helper.make_tensor_value_info("y", F, None)],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


WRONG = {
    "DeformConv": made("DeformConv", [1, 3, 8, 8], opset=19),
    "CastLike": made("CastLike", [1], {"like": np.zeros(1)}),
    "GRU": made("GRU", [3, 4, 2], layout=1, hidden_size=5),
    "GridSample": made("GridSample", [1, 3, "h", "w"], opset=20, mode="cubic"),
    "NonMaxSuppression": made("NonMaxSuppression", [1, 9, 4], {"s": np.zeros((1, 80, 9), "f4")}),
    "SpaceToDepth": made("SpaceToDepth", [1, "c", 8, 8], opset=28, blocksize=2, mode="CRD"),
    "LSTM": made("LSTM", [3, 4, 2], layout=1, hidden_size=5),
    "RNN": made("RNN", [3, 4, 2], layout=1, hidden_size=5),
    "AveragePool": made("AveragePool", [1, 2, "h", "w"], **CEIL),
    "LpPool": made("LpPool", [1, 2, "h", 8], **CEIL),
    "MaxPool": made("MaxPool", [1, 2, 8, "w"], **CEIL),
    "Reshape": made("Reshape", ["n", 3], {"shape": np.array([0, 3])}, allowzero=1),
    "Resize": made(
        "Resize",
        [1, 1, 2, 4],
        {"roi": np.zeros(0, "f4"), "scales": np.array([1, 1, 0.6, 0.6], "f4")},
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "Scan": made("Scan", [1, 3, 2], opset=8),
    "Split": made("Split", [4], {"sizes": np.array([4, 0])}),
}
RIGHT = {
    "layout 0": made("GRU", [3, 4, 2], layout=0, hidden_size=5),
    "sizes that are known": made("MaxPool", [1, 2, 8, 8], **CEIL),
    "a whole scale": made(
        "Resize",
        [1, 1, "h", "w"],
        {"roi": np.zeros(0, "f4"), "scales": np.array([1, 1, 2, 2], "f4")},
        mode="linear",
        coordinate_transformation_mode="align_corners",
    ),
    "no type that is left out": made("CastLike", [1], {"like": np.zeros(1, "f4")}),
    "no ceil_mode": made("MaxPool", [1, 2, "h", "w"], kernel_shape=[1, 1], strides=[2, 2]),
    "a window of the stride": made(
        "MaxPool", [1, 2, "h", "w"], kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1
    ),
    "a copied dim": made("Reshape", ["n", 3], {"shape": np.array([0, 3])}),
    "no zero": made("Reshape", ["n", 3], {"shape": np.array([-1, 3])}, allowzero=1),
    "parts": made("Split", [4], {"sizes": np.array([3, 1])}),
    "a newer scan": made("Scan", [1, 3, 2], opset=9),
    "one class": made("NonMaxSuppression", [1, 9, 4], {"s": np.zeros((1, 1, 9), "f4")}),
    "a mode of old": made("GridSample", [1, 3, "h", "w"], mode="bicubic"),
    "the usual order": made("SpaceToDepth", [1, "c", 8, 8], blocksize=2),
    "another domain": made("DeformConv", [1], domain="com.acme"),
}


def test_every_form_of_the_table_is_tried() -> None:
    assert WRONG.keys() == FORMS.keys()


@pytest.mark.parametrize("op", WRONG)
def test_refused_by_name(op: str) -> None:
    (found,) = wrong_forms(WRONG[op])
    assert (found.op, found.node) == (op, "it")
    assert found.reason
    assert found.hint


@pytest.mark.parametrize("what", RIGHT)
def test_neighbours_are_taken(what: str) -> None:
    assert wrong_forms(RIGHT[what]) == []


def test_inside_a_branch_too() -> None:
    inner = WRONG["DeformConv"].graph
    del inner.input[:]
    branch = helper.make_node("If", ["c"], ["out"], then_branch=inner, else_branch=inner)
    graph = helper.make_graph(
        [branch], "g", [helper.make_tensor_value_info("c", onnx.TensorProto.BOOL, [])], []
    )
    assert [form.op for form in wrong_forms(helper.make_model(graph))] == ["DeformConv"] * 2


def test_no_network_is_made_of_one(tmp_path: Path, rtx: RuntimeInfo) -> None:
    proto = WRONG["MaxPool"]
    proto.graph.output[0].type.tensor_type.shape.SetInParent()
    onnx.save(proto, tmp_path / "m.onnx")
    with pytest.raises(PlanError, match=r"gets MaxPool \(node 'it'\) wrong: with ceil_mode") as no:
        network_from_onnx(session(rtx), describe(tmp_path / "m.onnx"), 0)
    assert no.value.refused_by == "parser"
    assert "--input" in no.value.hint
