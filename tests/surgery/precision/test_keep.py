from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.surgery.models import f32, i64, job, model, node, value
from trtbuild.surgery.graph import label
from trtbuild.surgery.precision import keep
from trtbuild.surgery.precision.keep import kept_nodes
from trtbuild.surgery.precision.types import BF16, FP16

FLOAT, INT64 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64


def kept(
    nodes: list[onnx.NodeProto],
    weights: Mapping[str, Any] | None = None,
    low: int = FP16,
    largest: dict[str, float] | None = None,
    inputs: tuple[str, ...] = ("x fp32 [n, 4]",),
) -> dict[str, str]:
    """What is kept, by the name of the node or its output, and why."""
    made = model(nodes, list(inputs), [f"{nodes[-1].output[0]} fp32 [n, 4]"], weights)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    found = kept_nodes(job(made).graph, low, 17, largest or {})
    return {label(entry[0]): entry[1] for entry in found.entries.values()}


def test_a_plain_network_goes_whole() -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Softmax", ["m"], ["s"]),
        node("Add", ["s", "b"], ["y"]),
    ]
    assert kept(nodes, {"w": f32(4, 4), "b": f32(4)}) == {}


def test_ops_without_the_type_stay() -> None:
    nodes = [node("Conv", ["x", "w"], ["c"]), node("Relu", ["c"], ["y"])]
    found = kept(nodes, {"w": f32(2, 3, 3, 3)}, BF16, inputs=("x fp32 [n, 3, 8, 8]",))
    assert found == {"c": "ONNX opset 17 defines no bf16 form"}


def test_control_flow_stays() -> None:
    def branch(op: str) -> onnx.GraphProto:
        return helper.make_graph([node(op, ["x"], [op])], op, [], [value(f"{op} fp32 [n, 4]")])

    choose = node("If", ["c"], ["y"], then_branch=branch("Relu"), else_branch=branch("Neg"))
    found = kept([choose], inputs=("x fp32 [n, 4]", "c bool []"))
    assert found == {"y": keep.CONTROL}


def test_a_layer_norm_in_pieces_stays_from_the_square_to_the_division() -> None:
    nodes = [
        node("ReduceMean", ["x"], ["mean"], axes=[-1]),
        node("Sub", ["x", "mean"], ["centred"]),
        node("Pow", ["centred", "two"], ["square"]),
        node("ReduceMean", ["square"], ["variance"], axes=[-1]),
        node("Add", ["variance", "epsilon"], ["plus"]),
        node("Sqrt", ["plus"], ["deviation"]),
        node("Div", ["centred", "deviation"], ["normal"]),
        node("Mul", ["normal", "scale"], ["y"]),
    ]
    weights = {"two": np.float32(2), "epsilon": np.float32(1e-5), "scale": f32(4)}
    assert set(kept(nodes, weights)) == {"square", "variance", "plus", "deviation", "normal"}


_MEAN: Any = {"axes": [-1], "keepdims": 1}
FAST_VARIANCES = {
    "sums": [
        node("ReduceSum", ["x", "last"], ["sum"]),
        node("Mul", ["sum", "quarter"], ["mean"]),
        node("Mul", ["x", "x"], ["sq"]),
        node("ReduceSum", ["sq", "last"], ["sums"]),
        node("Mul", ["sums", "quarter"], ["first"]),
        node("Mul", ["mean", "mean"], ["second"]),
    ],
    "means": [
        node("ReduceMean", ["x"], ["mean"], **_MEAN),
        node("Mul", ["x", "x"], ["sq"]),
        node("ReduceMean", ["sq"], ["first"], **_MEAN),
        node("Mul", ["mean", "mean"], ["second"]),
    ],
    "powers": [
        node("ReduceMean", ["x"], ["mean"], **_MEAN),
        node("Pow", ["x", "two"], ["sq"]),
        node("ReduceMean", ["sq"], ["first"], **_MEAN),
        node("Pow", ["mean", "two"], ["second"]),
    ],
    "behind a reshape": [
        node("ReduceMean", ["x"], ["mean"], **_MEAN),
        node("Mul", ["x", "x"], ["sq"]),
        node("Reshape", ["sq", "flat"], ["r"]),
        node("ReduceMean", ["r"], ["first"], **_MEAN),
        node("Mul", ["mean", "mean"], ["second"]),
    ],
    "unbiased": [
        node("ReduceSum", ["x", "last"], ["mean"]),
        node("Mul", ["mean", "mean"], ["m2"]),
        node("Mul", ["m2", "quarter"], ["second"]),
        node("ReduceSumSquare", ["x"], ["first"], **_MEAN),
    ],
    "global pools": [
        node("GlobalAveragePool", ["x"], ["mean"]),
        node("Mul", ["x", "x"], ["sq"]),
        node("GlobalAveragePool", ["sq"], ["first"]),
        node("Mul", ["mean", "mean"], ["second"]),
    ],
}


@pytest.mark.parametrize("form", FAST_VARIANCES)
def test_a_variance_by_the_mean_of_squares_stays(form: str) -> None:
    """E[x^2] - E[x]^2, as JAX and hand-written norms have it, is the difference of near numbers."""
    tail = [
        node("Sub", ["first", "second"], ["variance"]),
        node("Max", ["variance", "zero"], ["positive"]),
        node("Add", ["positive", "tiny"], ["sum_"]),
        node("Sqrt", ["sum_"], ["deviation"]),
        node("Sub", ["x", "mean"], ["centred"]),
        node("Div", ["centred", "deviation"], ["scaled"]),
        node("MatMul", ["scaled", "w"], ["y"]),
    ]
    shape = "x fp32 [n, 2, 4]" if form == "global pools" else "x fp32 [n, 4]"
    weights = {
        "last": i64(-1), "quarter": np.float32(0.25), "two": np.float32(2), "flat": i64(-1, 4),
        "zero": np.float32(0), "tiny": np.float32(1e-5), "w": f32(4, 4),
    }  # fmt: skip
    read = {name for made in [*FAST_VARIANCES[form], *tail] for name in made.input}
    used = {name: array for name, array in weights.items() if name in read}
    found = kept([*FAST_VARIANCES[form], *tail], used, inputs=(shape,))
    expected = {"mean", "first", "second", "variance", "positive", "sum_", "deviation", "scaled"}
    assert expected <= found.keys()
    assert set(found.values()) <= {keep.SUM, keep.BETWEEN}
    assert "y" not in found


def test_a_softmax_in_pieces_stays() -> None:
    nodes = [
        node("Exp", ["x"], ["e"]),
        node("ReduceSum", ["e", "axis"], ["total"]),
        node("Div", ["e", "total"], ["y"]),
    ]
    assert kept(nodes, {"axis": i64(-1)}, BF16) == dict.fromkeys(["total", "e", "y"], keep.SUM)


def test_a_plain_mean_goes() -> None:
    assert kept([node("ReduceMean", ["x"], ["y"], axes=[1])]) == {}


def test_positions_and_angles_stay() -> None:
    """Rotary embeddings: positions times frequencies, sine, and only then the activations."""
    nodes = [
        node("Cast", ["ids"], ["position"], to=FLOAT),
        node("Unsqueeze", ["position", "one"], ["column"]),
        node("MatMul", ["column", "frequency"], ["angle"]),
        node("Sin", ["angle"], ["sine"]),
        node("Mul", ["x", "sine"], ["y"]),
    ]
    weights = {"one": i64(1), "frequency": f32(1, 4)}
    found = kept(nodes, weights, inputs=("x fp32 [n, 4]", "ids int64 [n]"))
    assert found == dict.fromkeys(["sine", "position", "angle", "column"], keep.INTEGER)


def test_integers_that_meet_a_weight_matrix_are_features_and_go() -> None:
    nodes = [
        node("Cast", ["features"], ["f"], to=FLOAT),
        node("MatMul", ["f", "w"], ["y"]),
    ]
    found = kept(nodes, {"w": f32(4, 4)}, inputs=("features int64 [n, 4]",))
    assert set(found) == {"f"}


def test_what_becomes_an_integer_stays_back_to_the_last_heavy_op() -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("Mul", ["m", "k"], ["scaled"]),
        node("Floor", ["scaled"], ["floor"]),
        node("Cast", ["floor"], ["index"], to=INT64),
        node("Gather", ["table", "index"], ["y"]),
    ]
    weights = {"w": f32(4, 4), "k": np.float32(100), "table": f32(10, 4)}
    assert set(kept(nodes, weights)) == {"index", "floor", "scaled"}


def test_what_an_op_takes_as_fp32_only_is_computed_in_fp32() -> None:
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["sizes"], to=FLOAT),
        node("Div", ["sizes", "sizes"], ["scales"]),
        node("Resize", ["x", "", "scales"], ["y"]),
    ]
    found = kept(nodes, inputs=("x fp32 [n, 3, 8, 8]",))
    assert set(found) == {"sizes", "scales"}


@pytest.mark.parametrize(
    ("weight", "reason"),
    [
        (np.array([1.0, 7e4]), keep.BEYOND),
        (np.array([-3.4e38]), keep.BEYOND),
        (np.array([1e-8]), keep.VANISHES),
        (np.array([1e-12, -1e-9]), keep.VANISHES),
    ],
)
def test_weights_that_fp16_cannot_hold_stay(weight: np.ndarray, reason: str) -> None:
    nodes = [node("Add", ["x", "w"], ["y"])]
    weights = {"w": weight.astype(np.float32)}
    assert kept(nodes, weights) == {"y": reason}
    assert kept(nodes, weights, BF16) == {}


@pytest.mark.parametrize("weight", [[-np.inf], [65504.0], [0.0], [1e-9, 1.0], []])
def test_weights_that_fp16_can_hold_go(weight: list[float]) -> None:
    nodes = [node("Concat", ["x", "w"], ["y"], axis=1)]
    assert kept(nodes, {"w": np.array([weight], dtype=np.float32)}) == {}


def test_generated_weights_are_looked_at_too() -> None:
    huge = onnx.numpy_helper.from_array(np.array([1e5], np.float32))
    nodes = [
        node("ConstantOfShape", ["shape"], ["c"], value=huge),
        node("Add", ["x", "c"], ["y"]),
    ]
    assert kept(nodes, {"shape": i64(4)}) == {"c": keep.BEYOND}


def test_activations_near_the_limit_keep_maker_and_readers() -> None:
    nodes = [
        node("MatMul", ["x", "w"], ["m"]),
        node("MatMul", ["m", "w"], ["mm"]),
        node("Softmax", ["mm"], ["s"]),
        node("MatMul", ["s", "w"], ["y"]),
    ]
    found = kept(nodes, {"w": f32(4, 4)}, largest={"m": 90.0, "mm": 2e4, "s": 1.0})
    assert found == {"mm": keep.NEAR, "s": keep.NEAR}
    assert kept(nodes, {"w": f32(4, 4)}, BF16, {"mm": 1e30}) == {}


def test_values_are_not_moved_in_fewer_bits_between_nodes_in_fp32() -> None:
    nodes = [
        node("Exp", ["x"], ["e"]),
        node("ReduceSum", ["e", "axis"], ["total"]),
        node("Transpose", ["total"], ["t"], name="move"),
        node("ReduceSum", ["t", "axis"], ["y"]),
    ]
    assert kept(nodes, {"axis": i64(1)})["move"] in (keep.SUM, keep.BETWEEN)


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("BitCast", ["x"], ["bits"], to=6), node("Cast", ["bits"], ["y"], to=1)], keep.BITS),
        (
            [node("BatchNormalization", ["x", *"sbmv"], ["y", "mean", "var"], training_mode=1)],
            keep.TRAINING,
        ),
        (
            [
                node("SequenceConstruct", ["x"], ["list"]),
                node("SequenceAt", ["list", "zero"], ["y"]),
            ],
            keep.SEQUENCE,
        ),
    ],
    ids=["bits", "training", "sequences"],
)
def test_special_ops_stay(nodes: list[onnx.NodeProto], reason: str) -> None:
    weights: dict[str, Any] = {name: np.ones(4, np.float32) for name in "sbmv"}
    made = model(nodes, ["x fp32 [n, 4]"], ["y fp32 [n, 4]"], weights | {"zero": i64(0)}, opset=26)
    found = kept_nodes(job(made).graph, FP16, 26, {})
    assert reason in {entry[1] for entry in found.entries.values()}
