from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from trtserve.backends.tensorrt.graphs import captures
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
    assert options_of(config("optimization { input_pinned_memory { enable: true } }")) == Options()
