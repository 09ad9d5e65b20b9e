from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.plan.models import (
    LIGHT,
    custom_op,
    matmul,
    model,
    node,
    quantized_matmul,
    saved,
    value,
    weight,
)
from trtbuild.artifacts import Range
from trtbuild.onnx_model import describe
from trtbuild.plan.profiles import ShapeOptions, profile_from_shapes
from trtbuild.plan.subgraphs import Graph, node_name, retyped

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def graph_of(proto: onnx.ModelProto, folder: Path) -> Graph:
    saved_model = saved(proto, folder)
    return Graph(saved_model, profile_from_shapes(saved_model.inputs))


def shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def reshaping() -> onnx.ModelProto:
    """Flattens `[batch, 2, 3]` by a shape computed from its own."""
    return model(
        [
            node("Relu", ["x"], ["a"], "act"),
            node("Shape", ["a"], ["s"], "shape"),
            node("Gather", ["s", "zero"], ["n"], "gather"),
            node("Concat", ["n", "rest"], ["to"], "concat", axis=0),
            node("Reshape", ["a", "to"], ["y"], "reshape"),
        ],
        [value("x", FLOAT, ["batch", 2, 3])],
        [value("y", FLOAT, ["batch", 6])],
        [
            numpy_helper.from_array(np.array([0], np.int64), "zero"),
            numpy_helper.from_array(np.array([-1], np.int64), "rest"),
        ],
    )


def test_nodes_that_differ_in_names_are_one_kind(tmp_path: Path) -> None:
    proto = model(
        [
            node("MatMul", ["x", "w"], ["a"], "one"),
            node("MatMul", ["a", "w"], ["b"], "two"),
            node("MatMul", ["a", "b"], ["y"], "both vary"),
        ],
        [value("x", FLOAT, [8, 8])],
        [value("y", FLOAT, [8, 8])],
        [weight("w", (8, 8), FLOAT)],
    )
    kinds = graph_of(proto, tmp_path).kinds()
    assert [(kind.op, kind.dtype, kind.indexes) for kind in kinds] == [
        ("MatMul", "fp32", [0, 1]),
        ("MatMul", "fp32", [2]),
    ]


@pytest.mark.parametrize(
    ("proto", "kinds"),
    [
        (custom_op(), [("Relu", "fp32"), ("com.acme::Foo", "fp32"), ("Tanh", "fp32")]),
        (
            quantized_matmul(TensorProto.FLOAT8E4M3FN),
            [
                ("QuantizeLinear", "fp8e4m3fn"),
                ("DequantizeLinear", "fp8e4m3fn"),
                ("DequantizeLinear", "fp8e4m3fn"),
                ("MatMul", "fp32"),
            ],
        ),
    ],
    ids=["custom", "quantized"],
)
def test_an_op_goes_by_its_most_special_data_type(
    proto: onnx.ModelProto, kinds: list[tuple[str, str]], tmp_path: Path
) -> None:
    assert [(kind.op, kind.dtype) for kind in graph_of(proto, tmp_path).kinds()] == kinds


def test_a_cut_out_is_a_valid_model_of_the_usual_size(tmp_path: Path) -> None:
    cut = graph_of(matmul(), tmp_path).cut_out(0)
    assert cut is not None
    onnx.checker.check_model(cut, full_check=True)
    assert [(v.name, shape(v)) for v in cut.graph.input] == [("x", [2, 64])]
    assert [tensor.name for tensor in cut.graph.initializer] == ["w"]


def test_what_computes_a_shape_is_cut_out_with_it(tmp_path: Path) -> None:
    graph = graph_of(reshaping(), tmp_path)
    assert graph.shape_chain(4) == {1, 2, 3}
    cut = graph.cut_out(4)
    assert cut is not None
    assert [v.name for v in cut.graph.input] == ["a"]
    assert [n.name for n in cut.graph.node] == ["shape", "gather", "concat", "reshape"]
    assert shape(cut.graph.output[0]) == [2, 6]
    onnx.checker.check_model(cut, full_check=True)


def test_what_reads_an_unknown_type_is_not_cut_out(tmp_path: Path) -> None:
    graph = graph_of(custom_op(), tmp_path)
    assert graph.cut_out(1) is not None
    assert graph.cut_out(2) is None


def test_a_prefix_puts_out_what_the_rest_reads(tmp_path: Path) -> None:
    prefix = graph_of(reshaping(), tmp_path).prefix(3)
    assert [v.name for v in prefix.graph.output] == ["a", "n"]
    assert prefix.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert [n.name for n in prefix.graph.node] == ["act", "shape", "gather"]


def test_large_weights_are_neither_read_nor_needed(tmp_path: Path) -> None:
    wide = 4096
    onnx.save(
        matmul(wide=wide),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    described = describe(tmp_path / "m.onnx")
    (tmp_path / "m.data").unlink()
    graph = Graph(described, profile_from_shapes(described.inputs))
    cut = graph.cut_out(0)
    assert cut is not None
    filled = numpy_helper.to_array(cut.graph.initializer[0])
    assert filled.shape == (wide, 32)
    assert np.isfinite(filled).all()
    assert (filled > 0).all()


def test_small_external_constants_are_read(tmp_path: Path) -> None:
    onnx.save(
        reshaping(),
        tmp_path / "m.onnx",
        save_as_external_data=True,
        location="m.data",
        size_threshold=0,
    )
    described = describe(tmp_path / "m.onnx")
    graph = Graph(described, {"x": Range((1, 2, 3), (4, 2, 3), (8, 2, 3))})
    cut = graph.cut_out(4)
    assert cut is not None
    values = {t.name: numpy_helper.to_array(t).tolist() for t in cut.graph.initializer}
    assert values == {"zero": [0], "rest": [-1]}


def test_tensors_that_a_body_takes_from_outside_are_inputs(tmp_path: Path) -> None:
    def branch(op: str) -> onnx.GraphProto:
        out = value("o", FLOAT, ["batch", 3])
        return helper.make_graph([node(op, ["a"], ["o"], op)], op, [], [out])

    proto = model(
        [
            node("Relu", ["x"], ["a"], "act"),
            node("If", ["c"], ["y"], "if", then_branch=branch("Abs"), else_branch=branch("Neg")),
        ],
        [value("x", FLOAT, ["batch", 3]), value("c", TensorProto.BOOL, [])],
        [value("y", FLOAT, ["batch", 3])],
    )
    cut = graph_of(proto, tmp_path).cut_out(1)
    assert cut is not None
    assert {v.name for v in cut.graph.input} == {"c", "a"}


def test_a_model_in_another_data_type(tmp_path: Path) -> None:
    cut = graph_of(matmul(FLOAT), tmp_path).cut_out(0)
    assert cut is not None
    half = retyped(cut, "fp32", "fp16")
    onnx.checker.check_model(half, full_check=True)
    types = {v.type.tensor_type.elem_type for v in [*half.graph.input, *half.graph.output]}
    assert types == {TensorProto.FLOAT16}
    before, after = (numpy_helper.to_array(m.graph.initializer[0]) for m in (cut, half))
    np.testing.assert_allclose(before, after, rtol=1e-3)


def test_casts_change_with_the_data_type(tmp_path: Path) -> None:
    proto = model(
        [node("Cast", ["x"], ["y"], "cast", to=TensorProto.BFLOAT16)],
        [value("x", FLOAT, [4])],
        [value("y", TensorProto.BFLOAT16, [4])],
    )
    cut = graph_of(proto, tmp_path).cut_out(0)
    assert cut is not None
    assert retyped(cut, "bf16", "fp16").graph.node[0].attribute[0].i == TensorProto.FLOAT16


def test_names_are_those_that_tensorrt_gives() -> None:
    assert node_name(node("Relu", ["x"], ["y"], "act")) == "act"
    assert node_name(node("Relu", ["x"], ["y"], "")) == "node_of_y"


def test_a_real_model_can_be_cut_anywhere() -> None:
    described = describe(LIGHT / "light_shufflenet.onnx")
    graph = Graph(described, profile_from_shapes(described.inputs, ShapeOptions()))
    kinds = graph.kinds()
    assert sum(len(kind.indexes) for kind in kinds) == sum(
        n.op_type != "Constant" for n in graph.nodes
    )
    for kind in kinds:
        cut = graph.cut_out(kind.indexes[0])
        assert cut is not None
        cut.ir_version = 8  # the checker wants constants among the inputs before 4
        onnx.checker.check_model(cut)
