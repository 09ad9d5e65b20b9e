import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.surgery.models import f32, i64, job, model, node, run, value
from trtbuild.surgery.contract import Job, check_sound
from trtbuild.surgery.graph import elem_type, graph_from_model, infer, model_from_graph, weights_of
from trtbuild.surgery.precision.keep import Kept
from trtbuild.surgery.precision.rewrite import rewrite
from trtbuild.verify.emulate import emulated

FP32, FP16 = TensorProto.FLOAT, TensorProto.FLOAT16


def rewritten(
    made: onnx.ModelProto, *keep: str, low_io: tuple[str, ...] = ()
) -> tuple[onnx.ModelProto, Job]:
    """`made` in fp16 but for the nodes that make the tensors `keep`; checked with types."""
    work = job(made)
    kept = Kept()
    for entry in work.graph.nodes:
        if entry.outputs[0].name in keep:
            kept.add(entry, "for the test")
    rewrite(work.graph, FP16, 17, kept, low_io)
    check_sound(work.graph)
    exported = model_from_graph(work.graph)
    values = weights_of(work.graph)
    for tensor in exported.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(values(tensor), tensor.name))
    onnx.checker.check_model(exported, full_check=True)
    return exported, work


def shape_of(made: onnx.ModelProto) -> list[str]:
    """Each node as `op: types in -> types out`, fp32 as 32 and fp16 as 16."""
    graph = graph_from_model(made)
    infer(graph)
    width: dict[int, str] = {FP32: "32", FP16: "16"}
    return [
        f"{entry.op}: {' '.join(width.get(elem_type(t), '-') for t in entry.inputs)} -> "
        f"{' '.join(width.get(elem_type(t), '-') for t in entry.outputs)}"
        for entry in graph.nodes
    ]


def chain() -> onnx.ModelProto:
    return model(
        [
            node("MatMul", ["x", "w"], ["a"]),
            node("Relu", ["a"], ["b"]),
            node("MatMul", ["b", "w"], ["y"]),
        ],
        ["x fp32 [n, 4]"],
        ["y fp32 [n, 4]"],
        {"w": f32(4, 4)},
    )


def test_casts_stand_at_the_ends() -> None:
    made, _ = rewritten(chain())
    assert shape_of(made) == [
        "Cast: 32 -> 16",
        "MatMul: 16 16 -> 16",
        "Relu: 16 -> 16",
        "MatMul: 16 16 -> 16",
        "Cast: 16 -> 32",
    ]
    assert [tensor.name for tensor in made.graph.initializer] == ["w__fp16"]
    x = f32(3, 4)
    expected = run(chain(), x=x)["y"]
    np.testing.assert_allclose(run(emulated(made), x=x)["y"], expected, rtol=1e-2, atol=1e-2)


def test_inputs_and_outputs_may_take_the_type() -> None:
    made, work = rewritten(chain(), low_io=("x", "y"))
    assert shape_of(made) == ["MatMul: 16 16 -> 16", "Relu: 16 -> 16", "MatMul: 16 16 -> 16"]
    assert [elem_type(tensor) for tensor in work.graph.inputs + work.graph.outputs] == [FP16] * 2


def test_a_kept_node_reads_an_input_that_took_the_type() -> None:
    made, _ = rewritten(chain(), "a", low_io=("x", "y"))
    assert shape_of(made)[:2] == ["Cast: 16 -> 32", "MatMul: 32 32 -> 32"]


def test_a_kept_node_reads_and_makes_fp32_with_one_cast_a_tensor() -> None:
    made, _ = rewritten(chain(), "b")
    assert shape_of(made) == [
        "Cast: 32 -> 16",
        "MatMul: 16 16 -> 16",
        "Cast: 16 -> 32",
        "Relu: 32 -> 32",
        "Cast: 32 -> 16",
        "MatMul: 16 16 -> 16",
        "Cast: 16 -> 32",
    ]


def test_a_weight_that_both_sides_read_is_there_twice() -> None:
    made, _ = rewritten(chain(), "a")
    assert sorted(tensor.name for tensor in made.graph.initializer) == ["w", "w__fp16"]


def test_an_output_that_is_read_inside_is_cast_once() -> None:
    both = model(
        [node("Relu", ["x"], ["y"]), node("Neg", ["y"], ["z"])],
        ["x fp32 [n]"],
        ["y fp32 [n]", "z fp32 [n]"],
    )
    made, _ = rewritten(both)
    assert sorted(shape_of(made)) == [
        "Cast: 16 -> 32",
        "Cast: 16 -> 32",
        "Cast: 32 -> 16",
        "Neg: 16 -> 16",
        "Relu: 16 -> 16",
    ]
    assert run(emulated(made), x=f32(3))["y"].dtype == np.float32


@pytest.mark.parametrize(
    "maker",
    [
        node("ConstantOfShape", ["size"], ["c"]),
        node("RandomNormalLike", ["x"], ["c"]),
        node("EyeLike", ["square"], ["c"], dtype=FP32),
        node("HannWindow", ["four"], ["c"]),
        node("Cast", ["flags"], ["c"], to=FP32),
    ],
    ids=lambda entry: entry.op_type,
)
def test_attributes_say_the_new_type(maker: onnx.NodeProto) -> None:
    weights = {
        "size": i64(4),
        "four": np.array(4),
        "square": np.eye(4, dtype=np.int32),
        "flags": np.ones(4, bool),
    }
    used = {name: array for name, array in weights.items() if name in maker.input}
    made, _ = rewritten(
        model([maker, node("Add", ["x", "c"], ["y"])], ["x fp32 [4, 4]"], ["y fp32 [4, 4]"], used)
    )
    assert "Add: 16 16 -> 16" in shape_of(made)


def test_fp32_only_places_of_a_lowered_node_stay() -> None:
    resize = model(
        [node("Resize", ["x", "", "scales"], ["y"])],
        ["x fp32 [1, 1, 2, 2]"],
        ["y fp32 [1, 1, 4, 4]"],
        {"scales": np.array([1, 1, 2, 2], np.float32)},
    )
    assert "Resize: 16 - 32 -> 16" in shape_of(rewritten(resize)[0])


def test_subgraphs_read_outer_tensors_in_fp32() -> None:
    def branch(op: str) -> onnx.GraphProto:
        return helper.make_graph([node(op, ["r"], [op])], op, [], [value(f"{op} fp32 [n, 4]")])

    choose = node("If", ["c"], ["y"], then_branch=branch("Neg"), else_branch=branch("Abs"))
    made = model(
        [node("Relu", ["x"], ["r"]), choose, node("Neg", ["r"], ["z"])],
        ["x fp32 [n, 4]", "c bool []"],
        ["y fp32 [n, 4]", "z fp32 [n, 4]"],
    )
    lowered, _ = rewritten(made, "y")
    x = f32(2, 4)
    outputs = run(emulated(lowered), x=x, c=np.array(True))
    np.testing.assert_allclose(outputs["y"], -np.maximum(x, 0), rtol=1e-3)
    np.testing.assert_allclose(outputs["z"], -np.maximum(x, 0), rtol=1e-3)


def test_an_explicit_cast_that_became_idle_goes() -> None:
    made = model(
        [
            node("Cast", ["x"], ["f"], to=FP32),
            node("Relu", ["f"], ["y"]),
        ],
        ["x fp16 [n]"],
        ["y fp32 [n]"],
    )
    assert shape_of(rewritten(made)[0]) == ["Relu: 16 -> 16", "Cast: 16 -> 32"]
