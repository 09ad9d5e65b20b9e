import numpy as np
import onnx_graphsurgeon as gs

from trtbuild.surgery.lower.windows import largest, summed
from trtbuild.surgery.lower.writer import Writer

X = gs.Variable("x", np.float32, [2, 4])
PLACES = np.array([[0, 1], [1, 2], [3, 3]])


def ops(build: object, *args: object) -> list[str]:
    node = gs.Node("Pool", inputs=[X], outputs=[gs.Variable("y")])
    graph = gs.Graph(nodes=[node], inputs=[X])
    write = Writer(graph, node, 17, set())
    write.finish(build(write, X, *args))  # type: ignore[operator]
    return [entry.op for entry in graph.nodes]


def test_a_sum_of_two_places() -> None:
    weights = np.array([[0.5, 0.5], [1, 0], [0.25, 0.75]])
    assert ops(summed, PLACES, weights, -1) == ["Gather", "Mul", "Gather", "Mul", "Add"]


def test_one_place_each_is_a_gather() -> None:
    assert ops(summed, PLACES, np.array([[0, 1], [1, 0], [1, 0]]), -1) == ["Gather"]


def test_places_without_weight_are_left_out() -> None:
    weights = np.array([[0.5, 0], [1, 0], [2, 0]])
    assert ops(summed, PLACES, weights, -1) == ["Gather", "Mul"]


def test_the_largest() -> None:
    assert ops(largest, PLACES, -1) == ["Gather", "Gather", "Max"]
