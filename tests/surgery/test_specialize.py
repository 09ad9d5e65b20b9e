import numpy as np
import onnx

from tests.surgery.models import f32, i64, model, node, run
from trtbuild.surgery.specialize import specialize

NONE: frozenset[str] = frozenset()


def test_shapes_are_those_at_hand() -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [n, m]"], ["y fp32 [n, m]"])
    result = specialize(made, {"x": (2, 3)}, NONE).model
    dims = result.graph.input[0].type.tensor_type.shape.dim
    assert [dim.dim_value for dim in dims] == [2, 3]
    onnx.checker.check_model(result, full_check=True)


def test_an_output_without_elements_is_left_out() -> None:
    made = model(
        [node("Split", ["x", "sizes"], ["a", "b"], axis=0)],
        ["x fp32 [4]"],
        ["a fp32 [4]", "b fp32 [0]"],
        {"sizes": i64(4, 0)},
    )
    result = specialize(made, {"x": (4,)}, NONE)
    assert result.empty == {"b": (0,)}
    assert [value.name for value in result.model.graph.output] == ["a"]


def test_nothing_but_empty_outputs() -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [0, 3]"], ["y fp32 [0, 3]"])
    result = specialize(made, {"x": (0, 3)}, NONE)
    assert result.empty == {"y": (0, 3)}
    assert not result.model.graph.output


def test_integers_are_widened_and_their_types_told() -> None:
    made = model([node("Add", ["x", "x"], ["y"])], ["x uint8 [3]"], ["y uint8 [3]"])
    result = specialize(made, {"x": (3,)}, NONE)
    assert result.elem_types == {"x": onnx.TensorProto.INT32, "y": onnx.TensorProto.INT32}
    got = run(result.model, x=np.array([1, 128, 255], np.int32))["y"]
    assert got.tolist() == [2, 0, 254]


def test_constants_are_folded() -> None:
    made = model(
        [node("Add", ["a", "b"], ["s"]), node("Mul", ["x", "s"], ["y"])],
        ["x fp32 [3]"],
        ["y fp32 [3]"],
        {"a": f32(3), "b": f32(3, seed=1)},
    )
    result = specialize(made, {"x": (3,)}, NONE)
    assert [entry.op_type for entry in result.model.graph.node] == ["Mul"]
