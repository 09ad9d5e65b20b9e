"""Where answers of decoupled models meet."""

from __future__ import annotations

from tests.validate.test_ensemble import graph
from trtbuild.validate.ensemble import Graph
from trtbuild.validate.peers import Peer
from trtbuild.validate.streams import is_decoupled, mixed_streams

PEERS = {
    "m": Peer(
        name="m",
        loads=True,
        versions=frozenset({1}),
        max_batch_size=0,
        inputs=(),
        outputs=(),
        complete=True,
        decoupled=True,
    )
}


def plain(made: Graph, *numbers: int) -> Graph:
    """`made` with the steps `numbers` run by a model that is not decoupled."""
    made.steps = [s._replace(model="p") if s.number in numbers else s for s in made.steps]
    return made


def test_outputs_of_one_decoupled_step_belong_together() -> None:
    made = plain(
        graph(["a"], ["d"], ({"x": "a"}, {"y": "b", "z": "c"}), ({"x": "b", "y": "c"}, {"z": "d"})),
        1,
    )
    assert mixed_streams(made, PEERS) is None
    assert is_decoupled(made, PEERS)


def test_a_step_that_joins_a_stream_with_an_input() -> None:
    made = plain(
        graph(["a"], ["c"], ({"x": "a"}, {"y": "b"}), ({"x": "a", "y": "b"}, {"z": "c"})), 1
    )
    assert mixed_streams(made, PEERS) == 1


def test_outputs_of_two_streams() -> None:
    made = graph(["a"], ["b", "c"], ({"x": "a"}, {"y": "b"}), ({"x": "a"}, {"y": "c"}))
    assert mixed_streams(made, PEERS) == "outputs"
    assert mixed_streams(plain(made, 0, 1), PEERS) is None
    assert not is_decoupled(made, PEERS)
