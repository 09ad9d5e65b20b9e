from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tests.models import linear
from tests.plugins.models import softsign_model
from trtbuild.verify.custom_ops import custom_ops, why_not_run


def test_an_op_that_only_a_plugin_has_is_named(tmp_path: Path) -> None:
    why = why_not_run(softsign_model(tmp_path / "m.onnx"))
    assert why.startswith("not run: ONNX Runtime has no acme::ScaledSoftsign, so there is nothing")


def test_ops_of_onnx_and_of_onnx_runtime_are_none(tmp_path: Path) -> None:
    assert why_not_run(linear(tmp_path / "m.onnx")) == ""
    assert custom_ops(model(helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft"))) == ()


def model(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [1]) for n in "xy")
    return helper.make_model(helper.make_graph(list(nodes), "g", [x], [y]))


@pytest.mark.parametrize("inside", [False, True])
def test_sub_graphs_are_looked_into(inside: bool) -> None:
    node = helper.make_node("Roll", ["x"], ["y"])
    if inside:
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
        branch = helper.make_graph([node], "b", [], [y])
        node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)
    assert custom_ops(model(node)) == ("Roll",)


def test_functions_of_the_model_are_no_custom_ops() -> None:
    made = model(helper.make_node("Twice", ["x"], ["y"], domain="local"))
    made.functions.append(
        helper.make_function(
            "local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
            [helper.make_opsetid("", 17)],
        )
    )  # fmt: skip
    assert custom_ops(made) == ()
