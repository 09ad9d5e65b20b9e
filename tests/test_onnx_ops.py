from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.models import linear
from trtbuild.onnx_ops import count_ops, first_opset, schema_of


def test_ops_are_counted(tmp_path: Path) -> None:
    assert count_ops(linear(tmp_path / "m.onnx")) == {"MatMul": 1, "Relu": 1}


def test_subgraphs_and_other_domains_count(tmp_path: Path) -> None:
    def branch(op: str, domain: str = "") -> onnx.GraphProto:
        y = helper.make_tensor_value_info("b", TensorProto.FLOAT, ["n"])
        return helper.make_graph([helper.make_node(op, ["x"], ["b"], domain=domain)], op, [], [y])

    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("Neg"), else_branch=branch("Foo", "com.acme")
    )
    values = [
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
        helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n"]),
    ]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([node, helper.make_node("Neg", ["x"], ["z"])], "g", values, [y])
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    assert count_ops(tmp_path / "m.onnx") == {"Neg": 2, "If": 1, "com.acme::Foo": 1}


FP16, BF16 = TensorProto.FLOAT16, TensorProto.BFLOAT16


@pytest.mark.parametrize(
    ("op", "opset", "low", "expected"),
    [("Conv", 17, BF16, 22), ("Relu", 17, FP16, 17), ("QuantizeLinear", 13, FP16, 19)],
)
def test_the_first_opset_that_takes_a_type(op: str, opset: int, low: int, expected: int) -> None:
    assert first_opset(op, opset, low) == expected


def test_some_ops_never_take_it() -> None:
    assert first_opset("NonMaxSuppression", 17, FP16) == 0
    assert first_opset("NoSuchOp", 17, FP16) == 0
    assert schema_of("NoSuchOp", 17) is None
