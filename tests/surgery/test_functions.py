import numpy as np
import onnx
import pytest

from tests.surgery.models import f32, model, node, run
from trtbuild.surgery.functions import UNKNOWN_TO_PARSERS, is_function, without_functions


def ops_of(made: onnx.ModelProto) -> set[str]:
    return {entry.op_type for entry in made.graph.node}


def test_an_op_that_no_parser_knows_is_written_out() -> None:
    """The loss has a definition that depends on its inputs' types and attributes."""
    made = model(
        [node("SoftmaxCrossEntropyLoss", ["x", "t"], ["y"])],
        ["x fp32 [3, 5]", "t int64 [3]"],
        ["y fp32 []"],
    )
    plain = without_functions(made)
    assert not ops_of(plain) & UNKNOWN_TO_PARSERS
    onnx.checker.check_model(plain, full_check=True)
    inputs = {"x": f32(3, 5), "t": np.array([0, 4, 2])}
    np.testing.assert_allclose(run(plain, **inputs)["y"], run(made, **inputs)["y"], rtol=1e-5)


def test_inputs_that_are_left_out() -> None:
    made = model(
        [node("Attention", ["q", "k", "v", "", "pk", "pv"], ["y", "a", "b"])],
        [f"{name} fp32 [1, 2, 3, 4]" for name in ("q", "k", "v", "pk", "pv")],
        ["y fp32 [1, 2, 3, 4]", "a fp32 [1, 2, 6, 4]", "b fp32 [1, 2, 6, 4]"],
        opset=23,
    )
    plain = without_functions(made, frozenset({"Attention"}))
    assert "Attention" not in ops_of(plain)
    inputs = {name: f32(1, 2, 3, 4, seed=i) for i, name in enumerate(("q", "k", "v", "pk", "pv"))}
    np.testing.assert_allclose(
        run(plain, **inputs)["y"], run(made, **inputs)["y"], rtol=1e-4, atol=1e-5
    )


def test_only_what_is_asked_for() -> None:
    made = model(
        [node("Celu", ["x"], ["c"]), node("Mish", ["c"], ["y"])],
        ["x fp32 [3]"],
        ["y fp32 [3]"],
        opset=22,
    )
    assert without_functions(made) is made
    assert "Mish" in ops_of(without_functions(made, frozenset({"Celu"})))


def test_the_models_own_functions() -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [3]"], ["y fp32 [3]"])
    twice = onnx.helper.make_function(
        "own", "Twice", ["a"], ["b"], [node("Add", ["a", "a"], ["b"])], made.opset_import
    )
    made.functions.append(twice)
    made.opset_import.append(onnx.helper.make_opsetid("own", 1))
    made.graph.node[0].op_type, made.graph.node[0].domain = "Twice", "own"
    assert ops_of(without_functions(made)) == {"Add"}


@pytest.mark.parametrize(("op", "defined"), [("Celu", True), ("Conv", False), ("Nobody", False)])
def test_what_onnx_defines_by_other_ops(op: str, defined: bool) -> None:
    assert is_function(op) == defined
