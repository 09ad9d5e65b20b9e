"""Configs that leave things out, and configs that contradict the plan."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import text_format
from trtserve.backends.tensorrt.complete import check, complete
from trtserve.backends.tensorrt.profiles import EngineTensor, Signature
from trtserve.errors import ServeError

from trtbuild.artifacts import Range
from trtbuild.modelconfig.schema import new_config

IMAGE = Signature(
    (EngineTensor("x", "FP16", (-1, 3, -1)),),
    (EngineTensor("y", "FP32", (-1, 10)), EngineTensor("n", "INT64", (-1,))),
    (
        {"x": Range((1, 3, 8), (4, 3, 16), (32, 3, 64))},
        {"x": Range((1, 3, 8), (8, 3, 8), (64, 3, 8))},
    ),
)
STATIC = Signature(
    (EngineTensor("x", "FP32", (3, 8)), EngineTensor("s", "INT32", ())),
    (EngineTensor("y", "BOOL", (3, 8)),),
    ({"x": Range((3, 8), (3, 8), (3, 8)), "s": Range((), (), ())},),
)


def config(text: str) -> Any:
    return text_format.Parse(text, new_config(name="m"))


def completed(text: str, signature: Signature = IMAGE, allowed: tuple[int, ...] = (0,)) -> Any:
    made = config(text)
    complete(made, signature, allowed)
    check(made, signature, allowed)
    return made


def test_an_empty_config_is_the_plan_s() -> None:
    assert completed("") == config("""
      max_batch_size: 32
      input { name: "x" data_type: TYPE_FP16 dims: [3, -1] }
      output { name: "y" data_type: TYPE_FP32 dims: [10] }
      output { name: "n" data_type: TYPE_INT64 dims: [1] reshape {} }
      dynamic_batching {}
    """)


def test_the_largest_batch_is_that_of_the_profiles_in_use() -> None:
    assert completed("", allowed=(0, 1)).max_batch_size == 64


def test_a_plan_whose_first_dim_is_fixed_is_no_batching_model() -> None:
    """Triton takes the 3 for its max_batch_size (server#7450)."""
    assert completed("", STATIC) == config("""
      input { name: "x" data_type: TYPE_FP32 dims: [3, 8] }
      input { name: "s" data_type: TYPE_INT32 dims: [1] }
      output { name: "y" data_type: TYPE_BOOL dims: [3, 8] }
    """)


@pytest.mark.parametrize(
    ("text", "batch", "dims"),
    [
        ('input { name: "x" data_type: TYPE_FP16 dims: [3, 32] }', 32, [3, 32]),
        ('input { name: "x" data_type: TYPE_FP16 dims: [8, 3, 32] }', 0, [8, 3, 32]),
        ('max_batch_size: 4 input { name: "x" dims: [3, -1] }', 4, [3, -1]),
        ('max_batch_size: 8 input { name: "x" data_type: TYPE_FP16 }', 8, [3, -1]),
        ("max_batch_size: 1", 1, [3, -1]),
    ],
)
def test_what_is_stated_stays(text: str, batch: int, dims: list[int]) -> None:
    made = completed(text)
    assert made.max_batch_size == batch
    (x,) = made.input
    assert list(x.dims) == dims
    assert [len(each.dims) for each in made.output] == ([1, 1] if batch else [2, 1])
    assert (made.WhichOneof("scheduling_choice") == "dynamic_batching") == (batch > 1)


def test_a_scheduler_that_is_stated_stays() -> None:
    made = completed("dynamic_batching { preferred_batch_size: [4] }")
    assert list(made.dynamic_batching.preferred_batch_size) == [4]


def test_dims_with_and_without_the_batch_dim() -> None:
    text = 'input { name: "x" dims: [3, 8] } output { name: "y" dims: [-1, 10] }'
    with pytest.raises(ServeError, match="some dims of the config have the batch dim"):
        completed(text)


FULL = """
  max_batch_size: 32
  input { name: "x" data_type: TYPE_FP16 dims: [3, -1] }
  output { name: "y" data_type: TYPE_FP32 dims: [10] }
  output { name: "n" data_type: TYPE_INT64 dims: [1] reshape {} }
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"x"', '"image"', "unexpected inference input 'image', allowed inputs are: x"),
        ('"y"', '"z"', "unexpected inference output 'z', allowed outputs are: y, n"),
        ("FP16", "FP32", "input 'x' is TYPE_FP32 in the config, the plan says TYPE_FP16"),
        ("[3, -1]", "[3, 8, 8]",
         "input 'x' has the shape [-1,3,8,8] by the config (max_batch_size adds the first dim), "
         "the plan says [-1,3,-1]"),
        ("[3, -1]", "[4, -1]", "the plan says [-1,3,-1]"),
        ("[3, -1]", "[3, 65]",
         "input 'x' has the dims [3,65] in the config, the plan's optimization profiles take "
         "[3,8] to [3,64]"),
        ("[10]", "[11]", "output 'y' has the shape [-1,11]"),
        ('output { name: "y" data_type: TYPE_FP32 dims: [10] }', "",
         "expected configuration for output 'y' of the plan"),
        ("32", "33", "max_batch_size is 33, the plan takes batches up to 32 (optimization profile "
         "0): state 32, or build it for more"),
        ("max_batch_size: 32", "max_batch_size: 0", "the plan says [-1,3,-1]"),
    ],
)  # fmt: skip
def test_a_config_that_contradicts_the_plan(old: str, new: str, says: str) -> None:
    check(config(FULL), IMAGE, (0,))
    changed = config(FULL.replace(old, new, 1))
    with pytest.raises(ServeError) as caught:
        check(changed, IMAGE, (0,))
    assert says in caught.value.message


def test_a_dim_that_the_config_leaves_open_fits_what_the_plan_fixes() -> None:
    check(config(FULL.replace("[10]", "[-1]")), IMAGE, (0,))
