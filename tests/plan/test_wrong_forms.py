"""Each form that TensorRT computes wrongly is refused by name, and its neighbours are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from tests.surgery.models import f32, i64, model, node, note, operated
from trtbuild.errors import PlanError
from trtbuild.onnx_model import describe
from trtbuild.plan.network import network_from_onnx
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import session
from trtbuild.plan.wrong_forms import FORMS, wrong_forms
from trtbuild.surgery.functions import without_functions

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


def _layer(op: str, count: int) -> tuple[onnx.ModelProto, ...]:
    weights = {
        "w": f32(1, count * 5, 2),
        "r": f32(1, count * 5, 5),
    }
    entry = node(op, ["x", "w", "r"], ["y"], layout=1, hidden_size=5)
    return (model([entry], ["x fp32 [3, 4, 2]"], ["y fp32 [3, 4, 1, 5]"], weights),)


def _sampled(size: str, mode: str) -> onnx.ModelProto:
    entry = node("GridSample", ["x", "g"], ["y"], mode=mode)
    ends = [f"x fp32 [1, 2, {size}]", "g fp32 [1, 3, 3, 2]"]
    return model([entry], ends, ["y fp32 [1, 2, 3, 3]"], opset=20)


def _deformed(size: str) -> onnx.ModelProto:
    entry = node("DeformConv", ["x", "w", "offset"], ["y"])
    ends = [f"x fp32 [1, 2, {size}]", "offset fp32 [1, 8, 4, 5]"]
    return model([entry], ends, ["y fp32 [1, 3, 4, 5]"], {"w": f32(3, 2, 2, 2)}, opset=19)


def _pooled(op: str, size: str) -> onnx.ModelProto:
    entry = node(op, ["x"], ["y"], **CEIL)
    return model([entry], [f"x fp32 [1, 2, {size}]"], ["y fp32 [1, 2, h2, w2]"])


def _boxes(classes: int) -> onnx.ModelProto:
    limits = {"most": i64(3), "overlap": np.array([0.5], "f4"), "score": np.array([0.1], "f4")}
    entry = node("NonMaxSuppression", ["b", "s", *limits], ["y"])
    ends = ["b fp32 [1, 9, 4]", f"s fp32 [1, {classes}, 9]"]
    return model([entry], ends, ["y int64 [n, 3]"], limits)


def _split(joined: bool) -> onnx.ModelProto:
    nodes = [node("Split", ["x", "sizes"], ["a", "b"], axis=1)]
    nodes += [node("Concat", ["a", "b"], ["y"], axis=1)] if joined else []
    outputs = ["y fp32 [n, 4]"] if joined else ["a fp32 [n, 4]", "b fp32 [n, 0]"]
    return model(nodes, ["x fp32 [n, 4]"], outputs, {"sizes": i64(4, 0)})


def _deep(channels: str) -> onnx.ModelProto:
    entry = node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode="CRD")
    return model([entry], [f"x fp32 [1, {channels}, h, w]"], ["y fp32 [1, c4, h2, w2]"], opset=28)


def _triangle(size: str) -> onnx.ModelProto:
    entry = node("Trilu", ["x", "k"], ["y"], upper=1)
    return model([entry], [f"x int64 [{size}]"], [f"y int64 [{size}]"], {"k": np.int64(1)})


def _crossed() -> onnx.ModelProto:
    return model(
        [node("Clip", ["x", "low", "high"], ["y"])],
        ["x fp32 [3]"],
        ["y fp32 [3]"],
        {"low": np.float32(2), "high": np.float32(1)},
    )


def _reduced() -> onnx.ModelProto:
    entry = node("ReduceLogSumExp", ["x", "axes"], ["y"])
    return model([entry], ["x fp32 [n, 3, 4]"], ["y fp32 [n, 1, 4]"], {"axes": i64(1)}, opset=18)


def _like(dtype: str) -> onnx.ModelProto:
    entry = node("CastLike", ["x", "like"], ["y"])
    return model([entry], ["x fp32 [n]", f"like {dtype} [1]"], [f"y {dtype} [n]"])


def _masked() -> onnx.ModelProto:
    entry = node("Attention", ["q", "q", "q", "mask"], ["y"])
    ends = ["q fp32 [1, 2, 4, 8]", "mask bool [4, 4]"]
    return without_functions(
        model([entry], ends, ["y fp32 [1, 2, 4, 8]"], opset=24), frozenset({"Attention"})
    )


def _nothing() -> onnx.ModelProto:
    entry = node("Reshape", ["x", "shape"], ["y"], allowzero=1)
    return model([entry], ["x fp32 [n, 3]"], ["y fp32 [0, 3]"], {"shape": i64(0, 3)})


# What TensorRT 10.6 was seen to get wrong without a word, on an H200 with ONNX's node tests -> the
# models that are written in other ops, and those that are refused by name.
SEEN: dict[str, tuple[tuple[onnx.ModelProto, ...], tuple[onnx.ModelProto, ...]]] = {
    "GridSample, linear": ((_sampled("5, 6", "linear"),), (_sampled("h, w", "linear"),)),
    "GridSample, cubic": ((_sampled("5, 6", "cubic"),), (_sampled("h, w", "cubic"),)),
    "DeformConv": ((_deformed("5, 6"),), (_deformed("h, 6"),)),
    "GRU, layout=1": (_layer("GRU", 3), ()),
    "LSTM, layout=1": (_layer("LSTM", 4), ()),
    "RNN, layout=1": (_layer("RNN", 1), ()),
    "SpaceToDepth, CRD": ((_deep("3"),), (_deep("c"),)),
    "Trilu of integers": ((_triangle("4, 5"), _triangle("r, c")), ()),
    "NonMaxSuppression, several classes": ((_boxes(2),), (_boxes(80),)),
    "ReduceLogSumExp, axes as an input": ((_reduced(),), ()),
    "Clip, crossed bounds": ((_crossed(),), ()),
    "AveragePool, ceil_mode": (
        (_pooled("AveragePool", "4, 4"),),
        (_pooled("AveragePool", "h, w"),),
    ),
    "MaxPool, ceil_mode": ((_pooled("MaxPool", "4, 4"),), (_pooled("MaxPool", "h, w"),)),
    "Split, an empty part": ((_split(True),), (_split(False),)),
    "CastLike, bf16": ((_like("bf16"),), ()),
    "CastLike, fp64": ((_like("fp64"),), ()),
    "Reshape to nothing": ((), (_nothing(),)),
    "Attention, a row that is hidden whole": ((_masked(),), ()),
}


@pytest.mark.parametrize("what", SEEN)
def test_what_was_seen_wrong_is_written_otherwise_or_refused(what: str, tmp_path: Path) -> None:
    """By surgery, which `check` and `convert` run for both runtimes, and then by name."""
    written, refused = SEEN[what]
    for index, proto in enumerate(written):
        result = operated(tmp_path / f"w{index}", proto, batch="keep")
        assert note(result, "lower_ops").changed
        assert wrong_forms(onnx.load(result.onnx.path)) == []
    for index, proto in enumerate(refused):
        after = onnx.load(operated(tmp_path / f"r{index}", proto, batch="keep").onnx.path)
        op = what.replace(",", " ").split()[0]
        assert [form.op for form in wrong_forms(after)] == [op]
