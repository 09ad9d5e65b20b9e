import onnx

from tests.surgery.models import i64, model, node, value
from trtbuild.backend.constants import wanted_constants, with_constants


def test_axes_and_shapes_are_wanted() -> None:
    made = model(
        [node("ReduceSum", ["x", "axes"], ["s"]), node("Reshape", ["s", "shape"], ["y"])],
        ["x fp32 [2, 3]", "axes int64 [1]", "shape int64 [2]"],
        ["y fp32 [a, b]"],
    )
    assert wanted_constants(made) == {"axes", "shape"}


def test_also_through_other_ops_but_not_by_shape_alone() -> None:
    made = model(
        [
            node("Shape", ["x"], ["sizes"]),
            node("Concat", ["sizes", "more"], ["shape"], axis=0),
            node("Expand", ["z", "shape"], ["y"]),
        ],
        ["x fp32 [2]", "more int64 [1]", "z fp32 [1]"],
        ["y fp32 [a, b]"],
    )
    assert wanted_constants(made) == {"more"}


def test_inside_a_branch() -> None:
    def branch(name: str) -> onnx.GraphProto:
        inner = node("ReduceSum", ["x", "axes"], [name])
        return onnx.helper.make_graph([inner], name, [], [value(f"{name} fp32 [1, 1]")])

    made = model(
        [node("If", ["c"], ["y"], then_branch=branch("a"), else_branch=branch("b"))],
        ["c bool []", "x fp32 [2, 3]", "axes int64 [2]"],
        ["y fp32 [1, 1]"],
    )
    assert wanted_constants(made) == {"axes"}


def test_values_are_inputs_already() -> None:
    made = model([node("Add", ["x", "z"], ["y"])], ["x fp32 [2]", "z fp32 [2]"], ["y fp32 [2]"])
    assert wanted_constants(made) == set()


def test_made_constants() -> None:
    made = model(
        [node("ReduceSum", ["x", "axes"], ["y"])],
        ["x fp32 [2, 3]", "axes int64 [1]"],
        ["y fp32 [2, 1]"],
    )
    fixed = with_constants(made, {"axes": i64(1)})
    assert [entry.name for entry in fixed.graph.input] == ["x"]
    assert onnx.numpy_helper.to_array(fixed.graph.initializer[0]).tolist() == [1]
    assert len(made.graph.input) == 2, "the model itself stays"
