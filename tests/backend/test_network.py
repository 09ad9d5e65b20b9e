from collections.abc import Iterable

import numpy as np
import onnx
import pytest

from tests.surgery.models import Array, f32, i64, model, node
from trtbuild.backend.network import Compiled, parsed
from trtbuild.errors import PlanError
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.surgery.specialize import Specialized


def ops_of(specialized: Specialized) -> list[str]:
    return [entry.op_type for entry in specialized.model.graph.node]


def parse(
    made: onnx.ModelProto, rtx: RuntimeInfo, constants: Iterable[str] = (), **arrays: Array
) -> Specialized:
    specialized, network = parsed(made, arrays, frozenset(constants), rtx)
    assert network is not None
    assert network.network.num_layers > 0
    return specialized


def test_axes_at_run_time(rtx: RuntimeInfo) -> None:
    made = model(
        [node("ReduceMax", ["x", "axes"], ["y"])],
        ["x fp32 [2, 3]", "axes int64 [1]"],
        ["y fp32 [2, 1]"],
        opset=18,
    )
    specialized = parse(made, rtx, {"axes"}, x=f32(2, 3), axes=i64(1))
    assert [value.name for value in specialized.model.graph.input] == ["x"]


def test_what_the_parser_refuses_is_written_as_onnx_defines_it(rtx: RuntimeInfo) -> None:
    made = model(
        [node("BlackmanWindow", ["n"], ["w"]), node("Mul", ["x", "w"], ["y"])],
        ["n int64 []", "x fp32 [10]"],
        ["y fp32 [10]"],
    )
    specialized = parse(made, rtx, {"n"}, n=np.int64(10), x=f32(10))
    assert "BlackmanWindow" not in ops_of(specialized)


def test_all_but_the_first_are_constants_where_that_helps(rtx: RuntimeInfo) -> None:
    """As onnx-tensorrt did: here the parser asks for the weights of a recurrent layer's bias."""
    made = model(
        [node("STFT", ["x", "step", "", "length"], ["y"])],
        ["x fp32 [1, 32, 1]", "step int64 []", "length int64 []"],
        ["y fp32 [1, a, b, 2]"],
    )
    arrays = {"x": f32(1, 32, 1), "step": np.int64(8), "length": np.int64(16)}
    specialized = parse(made, rtx, set(), **arrays)
    assert [value.name for value in specialized.model.graph.input] == ["x"]


def test_an_op_that_nobody_knows_is_named(rtx: RuntimeInfo) -> None:
    made = model([node("Det", ["x"], ["y"])], ["x fp32 [2, 2]"], ["y fp32 []"])
    with pytest.raises(PlanError, match="does not take Det: ") as error:
        parse(made, rtx, x=f32(2, 2))
    assert error.value.op == "Det"
    assert error.value.refused_by == "parser"


def test_old_opsets_are_raised(rtx: RuntimeInfo) -> None:
    made = model(
        [node("Add", ["x", "w"], ["y"], broadcast=1)],
        ["x fp32 [2, 3]"],
        ["y fp32 [2, 3]"],
        {"w": f32(3)},
        opset=6,
    )
    parse(made, rtx, x=f32(2, 3))


def test_nothing_to_compute(rtx: RuntimeInfo) -> None:
    made = model([node("Relu", ["x"], ["y"])], ["x fp32 [0, 3]"], ["y fp32 [0, 3]"])
    x = np.zeros((0, 3), np.float32)
    specialized, network = parsed(made, {"x": x}, frozenset(), rtx)
    assert network is None
    outputs = Compiled(None, specialized).run({"x": x})
    assert outputs["y"].shape == (0, 3)
    assert outputs["y"].dtype == np.float32
