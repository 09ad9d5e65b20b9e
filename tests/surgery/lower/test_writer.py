import numpy as np
import onnx
import pytest

from tests.surgery.models import Array, f32, job, model, node, ops, run
from trtbuild.surgery.contract import check_sound
from trtbuild.surgery.graph import model_from_graph
from trtbuild.surgery.lower.writer import Writer, constant_values, is_read, optional


def chain() -> onnx.ModelProto:
    nodes = [node("Neg", ["x"], ["a"], name="neg"), node("Abs", ["a"], ["y"])]
    return model(nodes, ["x fp32 [3]"], ["y fp32 [3]"])


def test_nodes_take_the_place_of_one() -> None:
    work = job(chain())
    graph, neg = work.graph, work.graph.nodes[0]
    write = Writer(graph, neg, 17, set(graph.tensors()))
    zero = write.constant(0, np.float32)
    write.finish(write.op("Sub", zero, neg.inputs[0]))
    check_sound(graph)
    assert ops(graph) == ["Sub", "Abs"]
    x = f32(3)
    np.testing.assert_array_equal(run(model_from_graph(graph), x=x)["y"], np.abs(x))


def test_a_result_that_others_read_is_copied() -> None:
    work = job(chain())
    graph, neg = work.graph, work.graph.nodes[0]
    Writer(graph, neg, 17, set(graph.tensors())).finish(neg.inputs[0])
    check_sound(graph)
    assert ops(graph) == ["Identity", "Abs"]


def test_names_are_new() -> None:
    work = job(chain())
    write = Writer(work.graph, work.graph.nodes[0], 17, {"a__sub"})
    first, second = write.op("Sub"), write.op("Sub")
    assert (first.name, second.name) == ("a__sub_2", "a__sub_3")


@pytest.mark.parametrize(("opset", "inputs"), [(17, 1), (18, 2)])
def test_axes_are_where_the_opset_has_them(opset: int, inputs: int) -> None:
    work = job(chain())
    write = Writer(work.graph, work.graph.nodes[0], opset, set())
    reduced = write.reduce("ReduceMax", work.graph.inputs[0], write.constant([0], np.int64), 1)
    made = reduced.inputs[0]
    assert len(made.inputs) == inputs
    assert made.attrs.get("axes") == ([0] if opset == 17 else None)


def test_what_is_left_out() -> None:
    made = model(
        [node("Clip", ["x", "", "high"], ["y"])],
        ["x fp32 [3]"],
        ["y fp32 [3]"],
        {"high": np.float32(1)},
    )
    clip = job(made).graph.nodes[0]
    assert optional(clip, 1) is None
    assert optional(clip, 3) is None
    high: Array | None = constant_values(optional(clip, 2))
    assert high is not None
    assert high == 1
    assert constant_values(clip.inputs[0]) is None
    assert is_read(clip, 0)
    assert not is_read(clip, 1)
