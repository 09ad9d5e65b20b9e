from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.surgery import rtx
from tests.surgery.models import apply, f32, i64, job, model, node, note, operated, ops, run, value
from trtbuild.artifacts import SurgeryResult
from trtbuild.errors import SurgeryError
from trtbuild.onnx_weights import read_skeleton
from trtbuild.surgery.contract import ContractError
from trtbuild.surgery.graph import set_elem_type
from trtbuild.surgery.precision.lower_precision import LowerPrecision
from trtbuild.tensor import input_override_from_text as override
from trtbuild.verify.dtypes import graphs_of, precision_of
from trtbuild.verify.emulate import emulated

FLOAT = onnx.TensorProto.FLOAT


def network(scale: float = 0.1) -> onnx.ModelProto:
    """A convolution with a batch norm, and an attention with rotary angles and a mask."""
    norm = ["bs", "bb", "bm", "bv"]
    nodes = [
        node("Conv", ["image", "k"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        node("BatchNormalization", ["c", *norm], ["b"], name="norm"),
        node("Relu", ["b"], ["r"], name="relu"),
        node("Reshape", ["r", "rows"], ["t"], name="rows"),
        node("Cast", ["ids"], ["position"], name="position", to=FLOAT),
        node("Sin", ["position"], ["angle"], name="angle"),
        node("Add", ["t", "angle"], ["e"], name="embed"),
        node("Transpose", ["e"], ["k_t"], name="keys", perm=[0, 2, 1]),
        node("MatMul", ["e", "k_t"], ["s"], name="scores"),
        node("Add", ["s", "mask"], ["m"], name="masked"),
        node("Softmax", ["m"], ["p"], name="softmax"),
        node("MatMul", ["p", "e"], ["y"], name="mix"),
    ]
    weights = {
        "k": f32(8, 3, 3, 3, scale=scale),
        **{name: np.full(8, 0.5, np.float32) for name in norm},
        "rows": i64(0, 8, 16),
        "mask": np.array([[0.0] * 7 + [-3.4e38]], np.float32),
    }
    return model(
        nodes, ["image fp32 [n, 3, 4, 4]", "ids int64 [16]"], ["y fp32 [n, 8, 16]"], weights
    )


def error(result: SurgeryResult) -> float:
    """The largest error in units of the largest output, rounding emulated."""
    feed = {"image": f32(2, 3, 4, 4, seed=3), "ids": np.arange(16)}
    expected = run(network(), **feed)["y"]
    got = run(emulated(read_skeleton(result.onnx.path)), **feed)["y"]
    return float(np.abs(got - expected).max() / np.abs(expected).max())


@pytest.mark.parametrize(("precision", "limit"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_a_network_is_lowered_stays_right_and_builds(
    tmp_path: Path, precision: str, limit: float
) -> None:
    result = operated(tmp_path, network(), precision=precision)
    assert error(result) < limit
    assert [spec.dtype for spec in result.model.inputs + result.model.outputs] == [
        "fp32",
        "int64",
        "fp32",
    ]
    assert rtx.build(result.onnx.path, "SM80", "SM89") == ""


def test_the_note_says_which_nodes_stay_and_why(tmp_path: Path) -> None:
    result = operated(tmp_path, network(), precision="fp16")
    assert note(result, "lower_precision").note == (
        "8 of 12 nodes compute in fp16; "
        "in fp32, because its values stand for positions, sizes or angles: "
        "position (Cast), angle (Sin); "
        "in fp32, because a weight is beyond fp16's range: masked (Add: 3.4e+38); "
        "in fp32, because activations come near fp16's limit: softmax (Softmax: 3.4e+38)"
    )


def test_the_opset_is_raised_only_as_far_as_the_type_needs(tmp_path: Path) -> None:
    """bf16 convolutions are there from 22 on; the parameters of a batch norm stay fp32."""
    assert operated(tmp_path / "a", network(), precision="fp16").model.opset == 17
    result = operated(tmp_path / "b", network(), precision="bf16")
    assert result.model.opset == 22
    kinds = {
        tensor.name: tensor.data_type
        for tensor in read_skeleton(result.onnx.path).graph.initializer
    }
    assert kinds["bv"] == FLOAT
    assert kinds["k__bf16"] == onnx.TensorProto.BFLOAT16


def test_large_weights_survive_a_raised_opset(tmp_path: Path) -> None:
    made = model(
        [node("Conv", ["x", "w"], ["y"])],
        ["x fp32 [n, 16, 4, 4]"],
        ["y fp32 [n, 16, 2, 2]"],
        {"w": f32(16, 16, 3, 3)},
    )
    result = operated(tmp_path, made, precision="bf16")
    x = f32(1, 16, 4, 4)
    got = run(emulated(read_skeleton(result.onnx.path)), x=x)["y"]
    np.testing.assert_allclose(got, run(made, x=x)["y"], rtol=5e-2, atol=0.3)


def test_what_overflows_on_seeded_values_stays(tmp_path: Path) -> None:
    """Two products with large weights: 1e3 * 1e3 overflows, 1e3 alone does not."""
    made = model(
        [
            node("MatMul", ["x", "w"], ["a"], name="first"),
            node("MatMul", ["a", "w"], ["b"], name="second"),
            node("MatMul", ["b", "v"], ["y"], name="third"),
        ],
        ["x fp32 [n, 4]"],
        ["y fp32 [n, 4]"],
        {"w": f32(4, 4, scale=600), "v": f32(4, 4, scale=1e-6)},
    )
    result = operated(tmp_path, made, precision="fp16")
    assert "1 of 3 nodes compute in fp16" in note(result, "lower_precision").note
    x = f32(2, 4)
    got = run(emulated(read_skeleton(result.onnx.path)), x=x)["y"]
    np.testing.assert_allclose(got, run(made, x=x)["y"], rtol=1e-2, atol=1e-2)


def test_inputs_and_outputs_match_on_request_but_for_those_that_were_given(
    tmp_path: Path,
) -> None:
    made = model([node("Add", ["a", "b"], ["y"])], ["a fp32 [n]", "b fp32 [n]"], ["y fp32 [n]"])
    result = operated(
        tmp_path, made, precision="fp16", io_precision="match", overrides=(override("b=fp32"),)
    )
    assert [str(spec) for spec in result.model.inputs + result.model.outputs] == [
        "a fp16 [n]",
        "b fp32 [n]",
        "y fp16 [n]",
    ]


def test_an_input_given_in_fp16_needs_no_cast(tmp_path: Path) -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    result = operated(tmp_path, made, precision="fp16", overrides=(override("x=fp16"),))
    assert ops(result.model) == ["Relu", "Cast"]


def test_quantized_models_keep_their_quantization(tmp_path: Path) -> None:
    """From opset 19 on, Q and DQ take fp16, so that TensorRT sees no Cast between them."""
    made = model(
        [
            node("QuantizeLinear", ["x", "s", "z"], ["q"]),
            node("DequantizeLinear", ["q", "s", "z"], ["d"]),
            node("DequantizeLinear", ["wq", "s", "z"], ["w"]),
            node("MatMul", ["d", "w"], ["y"]),
        ],
        ["x fp32 [n, 16]"],
        ["y fp32 [n, 16]"],
        {
            "s": np.float32(0.05),
            "z": np.int8(0),
            "wq": np.arange(-128, 128, dtype=np.int8).reshape(16, 16),
        },
    )
    result = operated(tmp_path, made, precision="fp16")
    assert result.model.opset == 19
    assert ops(result.model).count("Cast") == 2
    assert rtx.build(result.onnx.path, "SM80", "SM89") == ""


def half() -> onnx.ModelProto:
    """A model that its author put into fp16, with one node in fp32."""
    return model(
        [
            node("MatMul", ["x", "w"], ["m"]),
            node("Cast", ["m"], ["f"], to=FLOAT),
            node("Softmax", ["f"], ["y"]),
        ],
        ["x fp16 [n, 4]"],
        ["y fp32 [n, 4]"],
        {"w": f32(4, 4).astype(np.float16)},
    )


def test_what_its_author_mixed_is_left_alone(tmp_path: Path) -> None:
    result = operated(tmp_path, half(), precision="fp16")
    assert result.reference is None
    assert note(result, "lower_precision").note == (
        "the model is in fp16 already; its fp32 nodes stay as they are"
    )
    assert ops(result.model) == ["MatMul", "Cast", "Softmax"]


def test_its_outputs_still_match_on_request(tmp_path: Path) -> None:
    result = operated(tmp_path, half(), precision="fp16", io_precision="match")
    assert ops(result.model) == ["MatMul", "Cast", "Softmax", "Cast"]
    assert result.model.outputs[0].dtype == "fp16"


@pytest.mark.parametrize(
    ("made", "options", "why"),
    [
        (half(), {}, "the precision asked for is 'keep'"),
        (
            model([node("Not", ["x"], ["y"])], ["x bool [n]"], ["y bool [n]"]),
            {"precision": "bf16"},
            "the model computes nothing in fp32",
        ),
    ],
)
def test_where_there_is_nothing_to_lower_it_says_so(
    made: onnx.ModelProto, options: dict[str, str], why: str
) -> None:
    assert apply(LowerPrecision(), job(made, **options)) == (False, why)


def test_wrong_types_break_the_promise() -> None:
    pass_, work = LowerPrecision(), job(network(), precision="fp16", io_precision="match")
    pass_.requires(work)
    with pytest.raises(ContractError, match="image, y should have the type of the rest"):
        pass_.ensures(work)
    set_elem_type(work.graph.tensors()["c"], onnx.TensorProto.FLOAT16)
    with pytest.raises(ContractError, match="ShapeInferenceError"):
        pass_.ensures(work)


def test_a_model_with_control_flow_keeps_its_opset(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        out = value(f"{op} fp32 [n, 3, 4, 4]")
        return helper.make_graph([node(op, ["x"], [op])], op, [], [out])

    made = model(
        [
            node("If", ["c"], ["i"], then_branch=branch("Relu"), else_branch=branch("Neg")),
            node("Conv", ["i", "k"], ["y"]),
        ],
        ["x fp32 [n, 3, 4, 4]", "c bool [1]"],
        ["y fp32 [n, 2, 2, 2]"],
        {"k": f32(2, 3, 3, 3)},
    )
    result = operated(tmp_path, made, precision="bf16")
    assert result.model.opset == 17
    assert (
        "kept at opset 17: ONNX's converter does not look into control flow"
        in note(result, "lower_precision").note
    )


def _graph(name: str, nodes: list[onnx.NodeProto], ins: list[str], out: str) -> onnx.GraphProto:
    given = [value(text) for text in ins]
    made = [value(text) for text in out.split(";")]
    weight = onnx.numpy_helper.from_array(f32(8, 8, scale=0.3), f"{name}_w")
    return helper.make_graph(nodes, name, given, made, [weight])


def _layer(name: str, source: str = "x") -> list[onnx.NodeProto]:
    return [
        node("MatMul", [source, f"{name}_w"], [f"{name}_m"]),
        node("Tanh", [f"{name}_m"], [f"{name}_y"]),
    ]


def branches() -> onnx.ModelProto:
    one, two = (_graph(n, _layer(n), [], f"{n}_y fp32 [n, 8]") for n in ("one", "two"))
    return model(
        [node("If", ["c"], ["y"], then_branch=one, else_branch=two)],
        ["x fp32 [n, 8]", "c bool []"],
        ["y fp32 [n, 8]"],
    )


def nested() -> onnx.ModelProto:
    one, two = (_graph(n, _layer(n, "out_y"), [], f"{n}_y fp32 [n, 8]") for n in ("one", "two"))
    inner = node("If", ["c"], ["in"], then_branch=one, else_branch=two)
    outer = _graph("out", [*_layer("out"), inner], [], "in fp32 [n, 8]")
    other = _graph("other", _layer("other"), [], "other_y fp32 [n, 8]")
    return model(
        [node("If", ["c"], ["y"], then_branch=outer, else_branch=other)],
        ["x fp32 [n, 8]", "c bool []"],
        ["y fp32 [n, 8]"],
    )


def loop() -> onnx.ModelProto:
    nodes = [*_layer("body", "state"), node("Identity", ["go"], ["on"])]
    body = _graph(
        "body", nodes, ["i int64 []", "go bool []", "state fp32 [n, 8]"],
        "on bool [];body_y fp32 [n, 8]",
    )  # fmt: skip
    return model(
        [node("Loop", ["three", "c", "x"], ["y"], body=body)],
        ["x fp32 [n, 8]", "c bool []"],
        ["y fp32 [n, 8]"],
        {"three": np.int64(3)},
    )


def scan() -> onnx.ModelProto:
    nodes = [
        node("Add", ["state", "step"], ["sum"]),
        *_layer("body", "sum"),
        node("Identity", ["body_y"], ["seen"]),
    ]
    body = _graph(
        "body", nodes, ["state fp32 [n, 8]", "step fp32 [n, 8]"],
        "body_y fp32 [n, 8];seen fp32 [n, 8]",
    )  # fmt: skip
    return model(
        [
            node("Unsqueeze", ["x", "first"], ["xs"]),
            node("Not", ["c"], ["d"]),
            node("Scan", ["x", "xs"], ["y", "all"], body=body, num_scan_inputs=1),
        ],
        ["x fp32 [n, 8]", "c bool []"],
        ["y fp32 [n, 8]", "all fp32 [1, n, 8]", "d bool []"],
        {"first": i64(0)},
    )


@pytest.mark.parametrize("made", [branches, nested, loop, scan])
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_branches_and_bodies_are_lowered(made: object, precision: str, tmp_path: Path) -> None:
    proto = made()  # type: ignore[operator]
    result = operated(tmp_path, proto, precision=precision, batch="keep")
    skeleton = read_skeleton(result.onnx.path)
    inside = [graph for graph in graphs_of(skeleton.graph) if graph is not skeleton.graph]
    low = onnx.TensorProto.FLOAT16 if precision == "fp16" else onnx.TensorProto.BFLOAT16
    weights = [tensor for graph in inside for tensor in graph.initializer if tensor.dims == [8, 8]]
    assert weights
    assert {tensor.data_type for tensor in weights} == {low}
    assert precision_of(skeleton) == precision
    for choice in (True, False):
        feed = {"x": f32(3, 8, seed=5), "c": np.array(choice)}
        exact = run(proto, **feed)["y"]
        feed["c"] = feed["c"].reshape(1)  # scalars are raised
        rounded = run(emulated(skeleton), **feed)["y"]
        error = np.abs(rounded - exact).max()
        assert error < (1e-2 if precision == "fp16" else 5e-2)
        assert error > 0 or (made is loop and not choice)
    if made is not nested:  # TensorRT for RTX 1.7 builds no If inside an If, in fp32 neither
        assert rtx.build(result.onnx.path, "SM86") == ""


def test_a_layer_norm_gives_its_statistics_in_fp32(tmp_path: Path) -> None:
    made = model(
        [node("LayerNormalization", ["x", "s"], ["y", "mean", "deviation"])],
        ["x fp32 [n, 4]"],
        ["y fp32 [n, 4]", "mean fp32 [n, 1]", "deviation fp32 [n, 1]"],
        {"s": f32(4)},
    )
    result = operated(tmp_path, made, precision="bf16")
    assert ops(result.model).count("LayerNormalization") == 1
    assert [spec.dtype for spec in result.model.outputs] == ["fp32", "fp32", "fp32"]


def test_nodes_that_are_named_stay(tmp_path: Path) -> None:
    result = operated(
        tmp_path, network(), precision="fp16", keep_fp32=("norm", "m*x", "e")
    )  # a node, a pattern of nodes, a tensor
    text = note(result, "lower_precision").note
    assert (
        "because --keep-fp32 names it: norm (BatchNormalization), embed (Add), mix (MatMul)" in text
    )


def test_a_name_that_nothing_has_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SurgeryError, match="names no node and no tensor; near: norm"):
        operated(tmp_path, network(), precision="fp16", keep_fp32=("norn",))
