import onnx
import onnx_graphsurgeon as gs
import pytest

from tests.surgery.models import f32, i64, job, model, node, run
from trtbuild.surgery.contract import Job
from trtbuild.surgery.free_dims import FreeDim, free_dims
from trtbuild.surgery.graph import model_from_graph, text


def image(*tail: onnx.NodeProto) -> Job:
    """A convolution over x [1, 3, 8, 8], then the nodes of `tail`."""
    nodes = [node("Conv", ["x", "k"], ["c"]), *tail]
    weights = {"k": f32(2, 3, 3, 3), "w": f32(72, 4), "shape": i64(1, 72)}
    return job(model(nodes, ["x fp32 [1, 3, 8, 8]"], ["y fp32 [1, 4]"], weights))


def tensor(work: Job, name: str = "x") -> gs.Tensor:
    return work.graph.tensors()[name]


POOLED = (node("GlobalMaxPool", ["c"], ["p"]), node("Flatten", ["p"], ["y"]))
FLAT = (node("Reshape", ["c", "shape"], ["r"]), node("MatMul", ["r", "w"], ["y"]))


def test_height_and_width_are_freed_where_the_graph_runs_at_other_sizes() -> None:
    work = image(*POOLED)
    assert free_dims(work, [FreeDim(tensor(work), 2, "h"), FreeDim(tensor(work), 3, "w")]) == ""
    assert text(work.graph.inputs[0]) == "x fp32 [1, 3, h, w]"
    freed = model_from_graph(work.graph)
    assert run(freed, x=f32(1, 3, 16, 24))["y"].shape == (1, 2)


def test_a_size_that_the_graph_needs_is_refused_and_the_graph_stays() -> None:
    work = image(*FLAT)
    before = model_from_graph(work.graph).SerializeToString()
    problem = free_dims(work, [FreeDim(tensor(work), 2, "h")])
    assert problem.startswith("they are not the batch dim of every input; and a trial says: ")
    assert "ONNX Runtime cannot run it" in problem
    assert model_from_graph(work.graph).SerializeToString() == before


def test_the_batch_of_every_input_needs_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    work = image(*FLAT)
    monkeypatch.delattr("trtbuild.surgery.free_dims.run")  # a trial would fail
    assert free_dims(work, [FreeDim(tensor(work), 0, "n")]) == ""
    assert [text(t) for t in work.graph.inputs + work.graph.outputs] == [
        "x fp32 [n, 3, 8, 8]",
        "y fp32 [n, 4]",
    ]


def test_one_input_of_two_is_freed_by_trial() -> None:
    both = model(
        [node("Mul", ["x", "scale"], ["y"])],
        ["x fp32 [1, 4]", "scale fp32 [1, 4]"],
        ["y fp32 [1, 4]"],
    )
    work = job(both)
    assert free_dims(work, [FreeDim(tensor(work), 0, "n")]) == ""
    assert text(work.graph.inputs[0]) == "x fp32 [n, 4]"
    assert text(work.graph.inputs[1]) == "scale fp32 [1, 4]"


def test_a_batch_of_four_is_freed_by_trial_when_asked_for() -> None:
    nodes = [node("Reshape", ["x", "s"], ["r"]), node("Relu", ["r"], ["y"])]
    work = job(model(nodes, ["x fp32 [4, 6]"], ["y fp32 [4, 2, 3]"], {"s": i64(4, 2, 3)}))
    assert free_dims(work, [FreeDim(tensor(work), 0, "n")]) == ""
    assert run(model_from_graph(work.graph), x=f32(7, 6))["y"].shape == (7, 2, 3)
