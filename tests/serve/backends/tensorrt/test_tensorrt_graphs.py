from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf import text_format
from trtserve.backends.tensorrt.graphs import Captured, Graph, graph_for, graphs_of
from trtserve.backends.tensorrt.options import Options, options_of
from trtserve.backends.tensorrt.profiles import EngineTensor, Signature
from trtserve.errors import ServeError

from trtbuild.artifacts import Range
from trtbuild.modelconfig.schema import new_config

IMAGE = Signature(
    (EngineTensor("x", "FP32", (-1, 3, -1)),),
    (EngineTensor("y", "FP32", (-1, 10)),),
    (
        {"x": Range((1, 3, 8), (4, 3, 16), (32, 3, 64))},
        {"x": Range((8, 3, 8), (8, 3, 8), (8, 3, 8))},
    ),
)


def captures(stated: Any, signature: Signature, allowed: Sequence[int]) -> list[Captured]:
    return [graph.shapes for graph in graphs_of(stated, signature, allowed)]


def config(text: str, largest: int = 32) -> Any:
    made = new_config(name="m", max_batch_size=largest)
    text_format.Merge(text, made)
    return made


def batches(stated: Any, allowed: tuple[int, ...] = (0,)) -> list[int]:
    return [each["x"][0] for each in captures(stated, IMAGE, allowed)]


@pytest.mark.parametrize(
    ("text", "largest", "expected"),
    [
        ("", 32, [1, 2, 3, 4, 6, 8, 12, 16, 32]),
        ("", 5, [1, 2, 3, 4, 5]),
        ("dynamic_batching {}", 32, [1, 32]),
        ("dynamic_batching { preferred_batch_size: [8, 4] }", 32, [1, 4, 8, 32]),
        ("optimization { cuda { graph_spec { batch_size: 6 } } }", 32, [6]),
        ("", 64, [1, 2, 3, 4, 6, 8, 12, 16]),  # no profile takes 64
    ],
)
def test_batch_sizes(text: str, largest: int, expected: list[int]) -> None:
    assert batches(config(text, largest)) == expected


def test_open_dims_are_what_the_profile_is_optimized_for_unless_they_are_given() -> None:
    assert captures(config("dynamic_batching {}"), IMAGE, (0,)) == [
        {"x": (1, 3, 16)}, {"x": (32, 3, 16)},
    ]  # fmt: skip
    given = """optimization { cuda { graphs: true
      graph_spec { batch_size: 8 input { key: "x" value { dim: [3, 64] } } }
      graph_spec { batch_size: 8 input { key: "x" value { dim: [3, 64] } } }
      graph_spec { batch_size: 8 } } }"""
    assert captures(config(given), IMAGE, (0,)) == [{"x": (8, 3, 64)}, {"x": (8, 3, 16)}]


def test_the_first_profile_that_takes_it_gives_the_open_dims() -> None:
    stated = config("optimization { cuda { graph_spec { batch_size: 8 } } }")
    assert captures(stated, IMAGE, (1, 0)) == [{"x": (8, 3, 8)}]


def test_a_model_that_does_not_batch() -> None:
    static = Signature(
        (EngineTensor("x", "FP32", (3, 4)),), (), ({"x": Range((3, 4), (3, 4), (3, 4))},)
    )
    assert captures(config("", 0), static, (0,)) == [{"x": (3, 4)}]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("batch_size: 33", "graph_spec has batch_size 33, max_batch_size is 32"),
        ("batch_size: 0", "graph_spec has batch_size 0, max_batch_size is 32"),
        ('batch_size: 1 input { key: "z" value { dim: [1] } }', r"names the input 'z', the plan"),
        ('batch_size: 1 input { key: "x" value { dim: [1] } }', "'x' 1 dims, the model has 2"),
    ],
)  # fmt: skip
def test_a_spec_that_cannot_be(text: str, says: str) -> None:
    with pytest.raises(ServeError, match=says):
        captures(config(f"optimization {{ cuda {{ graph_spec {{ {text} }} }} }}"), IMAGE, (0,))


def test_options_by_triton_s_names_and_defaults() -> None:
    assert options_of(config("")) == Options()
    stated = config("""optimization { priority: PRIORITY_MAX
      input_pinned_memory { enable: false } output_pinned_memory { enable: false }
      cuda { graphs: true busy_wait_events: true } }""")
    assert options_of(stated) == Options(
        graphs=True, spin=True, urgency=1, pinned_inputs=False, pinned_outputs=False
    )
    assert options_of(config("optimization { priority: PRIORITY_MIN }")).urgency == -1
    stated = config("optimization { cuda { output_copy_stream: true } }")
    assert options_of(stated) == Options()
    assert options_of(config("optimization { input_pinned_memory { enable: true } }")) == Options()


# which graph runs a batch

SPECS = """optimization { cuda { graphs: true
  graph_spec { batch_size: 8 input { key: "x" value { dim: [3, 16] } }
    graph_lower_bound { batch_size: 2 input { key: "x" value { dim: [3, 16] } } } }
  graph_spec { batch_size: 4 input { key: "x" value { dim: [3, 16] } }
    graph_lower_bound { batch_size: 3 input { key: "x" value { dim: [3, 16] } } } }
  graph_spec { batch_size: 32 graph_lower_bound { batch_size: 16 } }
  graph_spec { batch_size: 16 input { key: "x" value { dim: [3, 64] } }
    graph_lower_bound { batch_size: 1 input { key: "x" value { dim: [3, 8] } } } }
  graph_spec { batch_size: 1 input { key: "x" value { dim: [3, 64] } } } } }"""


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((8, 3, 16), (8, 3, 16)),
        ((4, 3, 16), (4, 3, 16)),
        ((5, 3, 16), (8, 3, 16)),
        ((3, 3, 16), (4, 3, 16)),  # the smallest that holds it
        ((2, 3, 16), (8, 3, 16)),  # below the bound of the smallest
        ((1, 3, 16), None),  # below every bound
        ((20, 3, 16), (32, 3, 16)),  # a bound that names no inputs is one of the batch
        ((9, 3, 16), None),
        ((5, 3, 8), None),
        ((16, 3, 64), (16, 3, 64)),
        ((1, 3, 64), (1, 3, 64)),
        ((8, 3, 64), None),  # its bound is lower in another dim: nothing is padded
        ((8, 3, 32), None),
    ],
)
def test_a_batch_runs_in_its_own_graph_or_the_next_larger_one(
    shape: tuple[int, ...], expected: tuple[int, ...] | None
) -> None:
    found = graph_for(graphs_of(config(SPECS), IMAGE, (0,)), {"x": shape})
    assert (found and found.shapes["x"]) == expected


def test_without_a_bound_only_the_very_shapes_are_run() -> None:
    graphs = graphs_of(config("dynamic_batching { preferred_batch_size: [8] }"), IMAGE, (0,))
    assert [graph.lowest for graph in graphs] == [1, 8, 32]
    assert graph_for(graphs, {"x": (8, 3, 16)}) == Graph({"x": (8, 3, 16)}, 8)
    assert graph_for(graphs, {"x": (7, 3, 16)}) is None


def test_inputs_whose_batches_differ_share_no_graph() -> None:
    graph = Graph({"x": (8, 4), "y": (8,)}, 1)
    assert graph_for([graph], {"x": (5, 4), "y": (5,)}) == graph
    assert graph_for([graph], {"x": (5, 4), "y": (9,)}) is None
    assert graph_for([graph], {"x": (5, 4)}) is None


def test_a_model_that_does_not_batch_is_never_padded() -> None:
    graph = Graph({"x": (8, 4)}, 0)
    assert graph_for([graph], {"x": (8, 4)}) == graph
    assert graph_for([graph], {"x": (4, 4)}) is None


def test_a_shape_twice_keeps_its_lowest_bound() -> None:
    text = """optimization { cuda { graphs: true graph_spec { batch_size: 8 }
      graph_spec { batch_size: 8 graph_lower_bound { batch_size: 5 } } } }"""
    assert [graph.lowest for graph in graphs_of(config(text), IMAGE, (0,))] == [5]


@pytest.mark.parametrize("size", [0, 9])
def test_a_bound_that_is_no_batch_of_its_graph(size: int) -> None:
    text = f"batch_size: 8 graph_lower_bound {{ batch_size: {size} }}"
    text = f"optimization {{ cuda {{ graphs: true graph_spec {{ {text} }} }} }}"
    with pytest.raises(ServeError, match=f"batch_size {size}, which is not 1 to 8"):
        graphs_of(config(text), IMAGE, (0,))
