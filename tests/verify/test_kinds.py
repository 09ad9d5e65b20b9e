import onnx
import pytest
from onnx import TensorProto, helper

from trtbuild.verify.kinds import output_kinds

node = helper.make_node
LENGTH = [
    node("ReduceL2", ["x"], ["l"]),
    node("Clip", ["l", "tiny"], ["c"]),
    node("Expand", ["c", "shape"], ["e"]),
    node("Div", ["x", "e"], ["y"]),
]


def of(*nodes: onnx.NodeProto) -> str:
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return output_kinds(helper.make_model(helper.make_graph(list(nodes), "g", [], [y])))["y"]


@pytest.mark.parametrize(
    ("nodes", "kind"),
    [
        ([node("Sigmoid", ["x"], ["y"])], "probabilities"),
        ([node("Softmax", ["x"], ["s"]), node("Transpose", ["s"], ["y"])], "probabilities"),
        (
            [
                node("Sigmoid", ["x"], ["a"]),
                node("Softmax", ["x"], ["b"]),
                node("Concat", ["a", "b"], ["y"], axis=1),
            ],
            "probabilities",
        ),
        ([node("LpNormalization", ["x"], ["y"])], "embedding"),
        (LENGTH, "embedding"),
        (
            [
                node("ReduceSum", ["q"], ["s"]),
                node("Sqrt", ["s"], ["l"]),
                node("Div", ["x", "l"], ["y"]),
            ],
            "embedding",
        ),
        ([node("MatMul", ["x", "w"], ["y"])], ""),
        ([node("Sigmoid", ["x"], ["s"]), node("Mul", ["s", "x"], ["y"])], ""),
        (  # a norm over features, as a layer norm has it
            [
                node("ReduceMean", ["q"], ["s"]),
                node("Sqrt", ["s"], ["l"]),
                node("Div", ["x", "l"], ["y"]),
            ],
            "",
        ),
        (
            [
                node("Sigmoid", ["x"], ["a"]),
                node("MatMul", ["x", "w"], ["b"]),
                node("Concat", ["a", "b"], ["y"], axis=1),
            ],
            "",
        ),
    ],
)
def test_what_an_output_is_follows_from_what_makes_it(
    nodes: list[onnx.NodeProto], kind: str
) -> None:
    assert of(*nodes) == kind
