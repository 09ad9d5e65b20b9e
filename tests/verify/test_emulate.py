from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trtbuild.onnx_session import open_session, run
from trtbuild.onnx_weights import read_skeleton
from trtbuild.verify.emulate import emulated


def f32(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


FP16, BF16, FP32 = TensorProto.FLOAT16, TensorProto.BFLOAT16, TensorProto.FLOAT
node = helper.make_node


def model(
    kind: int,
    nodes: list[onnx.NodeProto],
    weights: dict[str, object] | None = None,
    dims: tuple[int | str, ...] = ("n", 4),
) -> onnx.ModelProto:
    """A model whose inputs, outputs and weights have the element type `kind`; types inferred."""
    numpy_type = helper.tensor_dtype_to_np_dtype(kind)
    values = [helper.make_tensor_value_info(name, kind, list(dims)) for name in ("x", "y")]
    tensors = [
        numpy_helper.from_array(np.asarray(array).astype(numpy_type), name)
        for name, array in (weights or {}).items()
    ]
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], tensors)
    opsets = [helper.make_opsetid("", 22)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    return onnx.shape_inference.infer_shapes(made)


def run_emulated(made: onnx.ModelProto, **inputs: np.ndarray) -> np.ndarray:
    copy = emulated(made)
    onnx.checker.check_model(copy, full_check=True)
    return run(open_session(copy), inputs)["y"]


def test_a_model_without_16_bit_floats_is_itself() -> None:
    made = model(FP32, [node("Relu", ["x"], ["y"])])
    assert emulated(made) is made


def test_an_overflow_in_the_middle_is_seen() -> None:
    """100 * 300 * 300 is infinite in fp16; ONNX Runtime's own fp16 on the CPU gives 100 back."""
    nodes = [
        node("Mul", ["x", "k"], ["a"]),
        node("Mul", ["a", "k"], ["b"]),
        node("Div", ["b", "k"], ["c"]),
        node("Div", ["c", "k"], ["y"]),
    ]
    x = np.full((1, 4), 100, np.float32)
    assert np.isinf(run_emulated(model(FP16, nodes, {"k": 300.0}), x=x)).all()
    np.testing.assert_allclose(run_emulated(model(BF16, nodes, {"k": 300.0}), x=x), x, rtol=2e-2)


@pytest.mark.parametrize(("kind", "numpy_type"), [(FP16, np.float16), (BF16, ml_dtypes.bfloat16)])
def test_every_result_is_rounded_as_numpy_rounds(kind: int, numpy_type: type) -> None:
    nodes = [
        node("Mul", ["x", "k"], ["a"]),
        node("Add", ["a", "b"], ["c"]),
        node("Sqrt", ["c"], ["d"]),
        node("Neg", ["d"], ["y"]),
    ]
    k, b = numpy_type(1.7), numpy_type(3.3)
    x: np.ndarray = np.abs(f32(5, 4)).astype(numpy_type)
    expected = -np.sqrt((x * k + b).astype(np.float32)).astype(numpy_type)
    got = run_emulated(model(kind, nodes, {"k": k, "b": b}), x=x.astype(np.float32))
    np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_products_accumulate_in_fp32() -> None:
    """4096 ones: counted in fp16, the sum would stay at 2048."""
    made = model(FP16, [node("MatMul", ["x", "w"], ["y"])], {"w": np.ones((4096, 4))}, ("n", "m"))
    assert (run_emulated(made, x=np.ones((1, 4096), np.float32)) == 4096).all()


def test_large_weights_stay_in_their_file(tmp_path: Path) -> None:
    weight = np.random.default_rng(0).standard_normal((64, 64))
    made = model(BF16, [node("MatMul", ["x", "w"], ["y"])], {"w": weight}, ("n", 64))
    onnx.save(made, tmp_path / "m.onnx")
    skeleton = read_skeleton(tmp_path / "m.onnx")
    assert emulated(skeleton).ByteSize() < 2000
    x = np.eye(64, dtype=np.float32)
    expected = weight.astype(ml_dtypes.bfloat16).astype(np.float32)
    y = run(open_session(emulated(skeleton)), {"x": x})["y"]
    np.testing.assert_array_equal(y, expected)


def test_only_16_bit_nodes_of_a_mixed_model_round() -> None:
    nodes = [
        node("Cast", ["x"], ["f"], to=FP32),
        node("Div", ["f", "three"], ["third"]),
        node("Mul", ["third", "three"], ["whole"]),
        node("Cast", ["whole"], ["y"], to=FP16),
    ]
    made = model(FP16, nodes)
    made.graph.initializer.append(numpy_helper.from_array(np.float32(3), "three"))
    x = np.array([[1, 5, 7, 11]], np.float32)
    np.testing.assert_array_equal(run_emulated(onnx.shape_inference.infer_shapes(made), x=x), x)


@pytest.mark.parametrize(
    "maker",
    [
        node(
            "ConstantOfShape", ["size"], ["c"],
            value=numpy_helper.from_array(np.array([0.5], np.float16)),
        ),
        node("Cast", ["size"], ["c"], to=FP16),
        node("Constant", [], ["c"], value=numpy_helper.from_array(np.full(4, 0.5, np.float16))),
    ],
    ids=lambda entry: entry.op_type,
)  # fmt: skip
def test_attributes_that_say_16_bits_are_widened(maker: onnx.NodeProto) -> None:
    made = model(FP16, [maker, node("Add", ["x", "c"], ["y"])])
    made.graph.initializer.append(numpy_helper.from_array(np.array([4]), "size"))
    made = onnx.shape_inference.infer_shapes(made)
    y = run_emulated(made, x=np.zeros((1, 4), np.float32))
    assert y[0, 0] in (0.5, 4.0)


def test_the_inside_of_subgraphs_rounds_too() -> None:
    def branch(op: str) -> onnx.GraphProto:
        out = helper.make_tensor_value_info(op, FP16, ["n", 4])
        return helper.make_graph([node(op, ["x", "k"], [op])], op, [], [out])

    choose = node("If", ["c"], ["y"], then_branch=branch("Mul"), else_branch=branch("Div"))
    made = model(FP16, [choose], {"k": 300.0})
    made.graph.input.append(helper.make_tensor_value_info("c", TensorProto.BOOL, []))
    x = np.full((1, 4), 300, np.float32)
    assert np.isinf(run_emulated(made, x=x, c=np.array(True))).all()
    assert (run_emulated(made, x=x, c=np.array(False)) == 1).all()


def test_inputs_and_outputs_of_16_bits_are_fp32() -> None:
    copy = emulated(model(BF16, [node("Relu", ["x"], ["y"])]))
    kinds = [v.type.tensor_type.elem_type for v in (*copy.graph.input, *copy.graph.output)]
    assert kinds == [FP32, FP32]
