from pathlib import Path

import numpy as np
import onnx
import onnx_graphsurgeon as gs
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.surgery.models import f32, model, node, run, saved, value
from trtbuild.errors import SurgeryError
from trtbuild.onnx_weights import read_skeleton
from trtbuild.surgery.graph import (
    LARGEST,
    ConvertedValues,
    StoredValues,
    constants_of,
    elem_type,
    forget_shapes,
    fresh_name,
    graph_from_model,
    infer,
    label,
    model_from_graph,
    save,
    session,
    text,
    values_of,
)

FP32, FP16, BF16 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16


def large() -> onnx.ModelProto:
    """A matrix product with a weight of 16 KiB, which stays in its file."""
    return model(
        [node("MatMul", ["x", "w"], ["y"])],
        ["x fp32 [n, 64]"],
        ["y fp32 [n, 64]"],
        {"w": f32(64, 64)},
    )


def loop() -> onnx.ModelProto:
    """If over a branch that reads a large outer weight, which the outer graph reads too or not."""
    then = helper.make_graph(
        [node("MatMul", ["x", "w"], ["t"])], "then", [], [value("t fp32 [n, 64]")]
    )
    other = helper.make_graph([node("Neg", ["x"], ["e"])], "else", [], [value("e fp32 [n, 64]")])
    choose = node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    return model([choose], ["x fp32 [n, 64]", "c bool []"], ["y fp32 [n, 64]"], {"w": f32(64, 64)})


def test_large_weights_are_not_loaded_until_they_are_asked_for(tmp_path: Path) -> None:
    graph = graph_from_model(read_skeleton(saved(tmp_path, large()).path))
    constant = graph.tensors()["w"]
    assert isinstance(constant._values, StoredValues)
    np.testing.assert_array_equal(values_of(constant), f32(64, 64))
    assert isinstance(constant._values, StoredValues)
    assert len(model_from_graph(graph).SerializeToString()) < 1000


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize("number", [FP32, FP16, BF16])
def test_weights_are_saved_converted_or_as_they_are(
    tmp_path: Path, number: int, external: bool
) -> None:
    graph = graph_from_model(read_skeleton(saved(tmp_path, large()).path))
    constant = graph.tensors()["w"]
    if number != FP32:
        constant._values = ConvertedValues(gs.Constant("w", constant._values), number, "w")
    save(graph, tmp_path / "saved.onnx", external)
    assert (tmp_path / "saved.onnx.data").exists() == external
    [weight] = onnx.load(tmp_path / "saved.onnx").graph.initializer
    numpy_type = helper.tensor_dtype_to_np_dtype(number)
    np.testing.assert_array_equal(numpy_helper.to_array(weight), f32(64, 64).astype(numpy_type))


def test_a_finite_weight_beyond_the_range_becomes_the_largest() -> None:
    source = gs.Constant("w", np.array([1e300, -1e300, np.inf, np.nan, 0.5]))
    converted = ConvertedValues(source, FP32, "w").load()
    limit = np.finfo(np.float32).max
    np.testing.assert_array_equal(
        converted, np.array([limit, -limit, np.inf, np.nan, 0.5], np.float32)
    )
    low = ConvertedValues(gs.Constant("w", np.array([3.4e38], np.float32)), BF16, "w").load()
    assert float(low[0]) == LARGEST[BF16]


@pytest.mark.parametrize("taken", [True, False])
def test_outer_weights_of_a_subgraph_are_exported_once(tmp_path: Path, taken: bool) -> None:
    """onnx-graphsurgeon puts a copy into each subgraph that reads one."""
    description = saved(tmp_path, loop())
    graph = graph_from_model(read_skeleton(description.path))
    save(graph, tmp_path / "saved.onnx", external=False)
    assert (tmp_path / "saved.onnx").stat().st_size < 18_000
    x = f32(2, 64)
    outputs = run(onnx.load(tmp_path / "saved.onnx"), x=x, c=np.array(taken))
    expected = x @ f32(64, 64) if taken else -x
    np.testing.assert_allclose(outputs["y"], expected, rtol=1e-4, atol=1e-4)
    assert set(constants_of(graph)) == {"w"}


def test_functions_are_inlined() -> None:
    doubled = helper.make_function(
        "local", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    made.graph.node[0].CopyFrom(node("Twice", ["x"], ["y"], domain="local"))
    made.functions.append(doubled)
    made.opset_import.append(helper.make_opsetid("local", 1))
    assert [entry.op for entry in graph_from_model(made).nodes] == ["Add"]


def test_an_attribute_that_would_be_lost_is_refused() -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [n]"], ["y fp32 [n]"])
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(f32(1), "v"), numpy_helper.from_array(np.array([2])), [4]
    )
    made.graph.node.append(node("Constant", [], ["c"], name="weights", sparse_value=sparse))
    with pytest.raises(SurgeryError) as caught:
        graph_from_model(made)
    assert caught.value.message == (
        "node 'weights' (Constant) holds a sparse tensor in its attribute 'sparse_value', which "
        "TensorRT has nothing for"
    )
    assert caught.value.hint == "cut the model before that node: --outputs"


def test_weights_listed_as_inputs_are_no_inputs() -> None:
    """As files of IR version 3 have it."""
    made = large()
    made.ir_version = 3
    made.graph.input.append(value("w fp32 [64, 64]"))
    graph = graph_from_model(made)
    assert [tensor.name for tensor in graph.inputs] == ["x"]
    exported = model_from_graph(graph)
    assert exported.ir_version >= 4
    onnx.checker.check_model(exported)


def test_inference_forgets_what_it_made_up_and_keeps_names_of_outputs() -> None:
    made = model(
        [node("NonZero", ["x"], ["i"]), node("Neg", ["x"], ["y"])],
        ["x fp32 [rows, 4]"],
        ["i int64 [2, m]", "y fp32 [rows, 4]"],
    )
    graph = graph_from_model(made)
    forget_shapes(graph)
    assert graph.outputs[1].shape == ["rows", None]
    infer(graph)
    assert [tensor.shape for tensor in graph.outputs] == [[2, None], ["rows", 4]]


def test_a_graph_runs_with_its_converted_weights(tmp_path: Path) -> None:
    wide = model(
        [node("MatMul", ["x", "w"], ["y"])],
        ["x fp32 [n, 64]"],
        ["y fp32 [n, 64]"],
        {"w": f32(64, 64)},
    )
    graph = graph_from_model(read_skeleton(saved(tmp_path, wide).path))
    source = gs.Constant("w", f32(64, 64).astype(np.float64))
    graph.tensors()["w"]._values = ConvertedValues(source, FP32, "w")
    (y,) = session(graph).run(None, {"x": f32(1, 64)})
    np.testing.assert_allclose(y, f32(1, 64) @ f32(64, 64), rtol=1e-4, atol=1e-4)


def test_words_for_errors_and_names() -> None:
    graph = graph_from_model(large())
    assert text(graph.inputs[0]) == "x fp32 [n, 64]"
    assert text(gs.Variable("t")) == "t ? [?]"
    assert elem_type(gs.Variable("t")) == 0
    assert label(graph.nodes[0]) == "y"
    assert fresh_name(graph, "x") == "x_2"
    assert fresh_name(graph, "z") == "z"
