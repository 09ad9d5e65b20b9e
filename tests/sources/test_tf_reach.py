"""What is reached of a graph; ops of whole models are tried in test_tf_roots."""

import pytest

from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
REACH = "tests.sources.tf_attacks:reached"
F = {"inner": ["WriteFile"], "outer": ["call:inner"]}


@pytest.mark.parametrize(
    ("nodes", "functions", "found"),
    [
        ({"a": ["Const"], "b": ["Const"], "y": ["Neg", "a"]}, {}, ["Const", "Neg"]),
        ({"w": ["WriteFile"], "y": ["Neg", "^w"]}, {}, ["Neg", "WriteFile"]),
        ({"w": ["ReadFile"], "y": ["Neg", "w:0"]}, {}, ["Neg", "ReadFile"]),
        ({"y": ["inner"]}, F, ["WriteFile", "inner"]),
        ({"y": ["func:outer"]}, F, ["PartitionedCall", "WriteFile", "inner"]),
        ({"y": ["list:outer"]}, F, ["Case", "WriteFile", "inner"]),
        ({"y": ["nested:inner"]}, F, ["While", "WriteFile"]),
        ({"y": ["text:inner"]}, F, ["NoOp", "WriteFile"]),
        ({"y": ["Neg"]}, F, ["Neg"]),
        ({"y": ["a"]}, {"a": ["call:b"], "b": ["call:a"]}, ["a", "a", "b"]),
        ({"y": ["Neg", "y"]}, {}, ["Neg"]),
    ],
)
def test_what_a_tensor_needs(
    tf_worker: Worker, nodes: object, functions: object, found: list[str]
) -> None:
    assert tf_worker.call(REACH, list[str], nodes=nodes, functions=functions) == found


@pytest.mark.parametrize("attribute", ["api_implements", "experimental_api_implements"])
def test_a_function_that_may_stand_in_is_reached(tf_worker: Worker, attribute: str) -> None:
    """Grappler swaps functions that implement one interface, whichever is named."""
    functions = {"clean": ["Neg", f"{attribute}=x"], "dirty": ["WriteFile", f"{attribute}=x"]}
    found = tf_worker.call(REACH, list[str], nodes={"y": ["clean"]}, functions=functions)
    assert found == ["Neg", "WriteFile", "clean"]


def test_a_gradient_is_reached(tf_worker: Worker) -> None:
    functions = {"f": ["Neg", "gradient=g"], "g": ["WriteFile"]}
    found = tf_worker.call(REACH, list[str], nodes={"y": ["f"]}, functions=functions)
    assert found == ["Neg", "WriteFile", "f"]
