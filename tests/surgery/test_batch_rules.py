import numpy as np
import onnx
import pytest

from tests.surgery.models import f32, i64, job, model, node, run
from trtbuild.surgery.batch_rules import RULES, BatchMixedError, prove
from trtbuild.surgery.free_dims import FreeDim, free_dims
from trtbuild.surgery.graph import model_from_graph

W = {
    "k": f32(4, 4, 3, 3),
    "w": f32(6, 6),
    "v4": f32(4),
    "c": f32(1, 4, 6, 6),
    "bad": f32(2, 4, 6, 6),
    "ids": i64(0, 2),
    "one": i64(1),
    "m1": i64(-1),
    "zero": i64(0),
    "two": i64(2),
    "flat": i64(1, 24, 6),
    "merge": i64(4, 6, 6),
    "ones": i64(1, 1, 2, 1),
    "same": i64(1, 1, 6, 1),
    "twos": i64(2, 1, 1, 1),
    "pad": i64(0, 0, 1, 1, 0, 0, 1, 1),
    "padb": i64(1, 0, 0, 0, 0, 0, 0, 0),
    "grow": np.array([1, 1, 2, 2], dtype=np.float32),
    "half": np.array([1.5, 1, 1, 1], dtype=np.float32),
    "sizes": i64(1, 4, 12, 12),
    "table": f32(5, 3),
    "p": f32(4, scale=0.1) ** 2 + 1,
}

# op by op: a node over x [1, 4, 6, 6] that keeps samples apart
GOOD = [
    node("Relu", ["x"], ["y"]),
    node("Add", ["x", "c"], ["y"]),
    node("Mul", ["x", "x"], ["y"]),
    node("Add", ["x", "w"], ["y"]),
    node("Where", ["mask", "x", "c"], ["y"]),
    node("Conv", ["x", "k"], ["y"]),
    node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2]),
    node("BatchNormalization", ["x", "p", "p", "p", "p"], ["y"]),
    node("Softmax", ["x"], ["y"], axis=1),
    node("LayerNormalization", ["x", "c"], ["y"], axis=1),
    node("ReduceMean", ["x"], ["y"], axes=[2, 3]),
    node("ReduceSum", ["x", "m1"], ["y"]),
    node("ArgMax", ["x"], ["y"], axis=1),
    node("Concat", ["x", "x"], ["y"], axis=1),
    node("Slice", ["x", "zero", "two", "one"], ["y"]),
    node("Gather", ["x", "ids"], ["y"], axis=2),
    node("Transpose", ["x"], ["y"], perm=[0, 2, 3, 1]),
    node("Flatten", ["x"], ["y"]),
    node("Reshape", ["x", "flat"], ["y"]),
    node("MatMul", ["x", "w"], ["y"]),
    node("MatMul", ["w", "x"], ["y"]),
    node("MatMul", ["x", "x"], ["y"]),
    node("Pad", ["x", "pad"], ["y"]),
    node("Resize", ["x", "", "grow"], ["y"]),
    node("Tile", ["x", "ones"], ["y"]),
    node("Expand", ["x", "same"], ["y"]),
    node("Unsqueeze", ["x", "two"], ["y"]),
    node("Clip", ["x"], ["y"]),
    node("DepthToSpace", ["x"], ["y"], blocksize=2),
    node("TopK", ["x", "one"], ["y", "_"]),
]
# nodes that mix samples, or might, and what is said of them
BAD = [
    (node("Add", ["x", "bad"], ["y"]), "a constant of it has a row for each row of the batch"),
    (node("Softmax", ["x"], ["y"], axis=0), "it works along the batch"),
    (node("Softmax", ["x"], ["y"], axis=-4), "it works along the batch"),
    (node("ReduceMean", ["x"], ["y"]), "it works along every axis"),
    (node("ReduceSum", ["x", "zero"], ["y"]), "it works along the batch"),
    (node("Concat", ["x", "c"], ["y"], axis=1), "it joins a constant to each sample"),
    (node("Slice", ["x", "zero", "one", "zero"], ["y"]), "it works along the batch"),
    (node("Gather", ["x", "zero"], ["y"]), "it picks among the samples"),
    (node("Transpose", ["x"], ["y"], perm=[1, 0, 2, 3]), "it moves the batch to another axis"),
    (node("Transpose", ["x"], ["y"]), "it moves the batch to another axis"),
    (node("Flatten", ["x"], ["y"], axis=2), "it merges the batch with another axis"),
    (node("Pad", ["x", "padb"], ["y"]), "it pads the batch"),
    (node("Resize", ["x", "", "half"], ["y"]), "it gives the size of the batch"),
    (node("Resize", ["x", "", "", "sizes"], ["y"]), "it gives the size of the batch"),
    (node("Tile", ["x", "twos"], ["y"]), "it repeats along the batch"),
    (node("Unsqueeze", ["x", "zero"], ["y"]), "it works along the batch"),
    (node("Shape", ["x"], ["y"]), "no rule is known for this op"),
    (node("Conv", ["c", "x"], ["y"]), "a parameter of it depends on the sample"),
]


def graph_of(entry: onnx.NodeProto) -> onnx.ModelProto:
    """`entry` over x [1, 4, 6, 6]; the shape of y is left to inference."""
    kind = "int64" if entry.op_type in ("ArgMax", "Shape") else "fp32"
    weights = {name: W[name] for name in entry.input if name in W}
    if "mask" in entry.input:
        weights["mask"] = np.ones((6, 6), dtype=bool)
    made = model([entry], ["x fp32 [1, 4, 6, 6]"], [f"y {kind} [n]"], weights)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    return made


@pytest.mark.parametrize("entry", GOOD, ids=lambda entry: f"{entry.op_type}-{entry.input[-1]}")
def test_what_keeps_samples_apart_is_proved_and_true(entry: onnx.NodeProto) -> None:
    made = graph_of(entry)
    work = job(made)
    assert free_dims(work, [FreeDim(work.graph.inputs[0], 0, "batch")]) == ""
    x = f32(3, 4, 6, 6, seed=5)
    one_by_one = np.concatenate([run(made, x=x[i : i + 1])["y"] for i in range(3)])
    batched = run(model_from_graph(work.graph), x=x)["y"]
    np.testing.assert_allclose(batched, one_by_one, rtol=1e-4, atol=1e-5)
    prove(job(made).graph)  # no trial was needed


@pytest.mark.parametrize(
    ("entry", "why"), BAD, ids=[f"{entry.op_type}-{entry.input[-1]}" for entry, _ in BAD]
)
def test_what_may_mix_samples_is_refused(entry: onnx.NodeProto, why: str) -> None:
    with pytest.raises(BatchMixedError) as caught:
        prove(job(graph_of(entry)).graph)
    assert str(caught.value) == (f"'y' ({entry.op_type}) may mix the samples of a batch: {why}")


def test_rows_of_samples_may_be_merged_with_another_axis() -> None:
    view = prove(
        job(
            model(
                [node("Reshape", ["x", "a"], ["r"]), node("Reshape", ["r", "b"], ["y"])],
                ["x fp32 [1, 6, 4]"],
                ["y fp32 [1, 24]"],
                {"a": i64(6, 4), "b": i64(1, 24)},
            )
        ).graph
    )
    assert view.rows == {"x": 1, "r": 6, "y": 1}
    assert [target for _, target in view.reshapes] == [[-1, 4], [-1, 24]]


def test_an_embedding_takes_a_batch_of_indices() -> None:
    lookup = model(
        [node("Gather", ["table", "ids"], ["y"])],
        ["ids int64 [1, 7]"],
        ["y fp32 [1, 7, 3]"],
        {"table": W["table"]},
    )
    assert prove(job(lookup).graph).rows["y"] == 1


def test_an_output_that_no_input_reaches_has_no_batch() -> None:
    constant = model(
        [node("Relu", ["x"], ["y"]), node("Relu", ["v4"], ["z"])],
        ["x fp32 [1, 4]"],
        ["y fp32 [1, 4]", "z fp32 [4]"],
        {"v4": W["v4"]},
    )
    with pytest.raises(BatchMixedError, match="the output 'z' has no batch dim"):
        prove(job(constant).graph)


def test_every_rule_is_for_an_op_of_onnx() -> None:
    known = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}
    assert set(RULES) <= known
