from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trtbuild.errors import SourceError
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_inputs import Inputs, inputs_of
from trtbuild.tensor import input_override_from_text

pytestmark = pytest.mark.xdist_group("torch")


class Two(nn.Module):
    def forward(self, image: Tensor, mask: Tensor, scale: float = 1.0) -> Tensor:
        return image * mask * scale


class Any_(nn.Module):  # noqa: N801 - `Any` is taken
    def forward(self, *tensors: Tensor) -> Tensor:
        return tensors[0]


def of(module: nn.Module, examples: Any, *texts: str, fixed: bool = False) -> Inputs:
    overrides = tuple(input_override_from_text(text) for text in texts)
    return inputs_of(module, examples, SourceOptions(overrides=overrides), "it", fixed=fixed)


def sizes(inputs: Inputs) -> list[list[int]]:
    return [list(tensor.shape) for tensor in inputs.tensors]


IMAGE, MASK = torch.zeros(4, 3), torch.ones(4, 1)


@pytest.mark.parametrize(
    "examples", [(IMAGE, MASK), [IMAGE, MASK], {"mask": MASK, "image": IMAGE}, (IMAGE, MASK, 2.0)]
)
def test_examples_as_people_write_them(examples: Any) -> None:
    inputs = of(Two(), examples)
    assert set(inputs.names) == {"image", "mask"}
    assert inputs.dims == ({0: "batch"}, {0: "batch"})
    args, kwargs = inputs.arguments(inputs.tensors)
    assert Two()(*args, **kwargs).shape == (4, 3)


def test_one_tensor_and_a_dict_that_is_one_argument() -> None:
    assert of(Any_(), IMAGE).names == ("input_0",)
    assert of(Any_(), {"a": IMAGE, "b": MASK}).names == ("input_0_a", "input_0_b")


def test_a_first_dim_of_another_length_is_no_batch() -> None:
    assert of(Two(), (IMAGE, torch.ones(3))).dims == ({0: "batch"}, {})
    assert of(Two(), (torch.tensor(1.0), IMAGE)).dims == ({}, {0: "batch"})


def test_fixed_is_exactly_the_examples() -> None:
    inputs = of(Two(), (torch.zeros(1, 3), torch.ones(1, 1)), "image=[batch,7]", fixed=True)
    assert inputs.dims == ({}, {})
    assert sizes(inputs) == [[1, 3], [1, 1]]


def test_overrides_by_name_and_in_order() -> None:
    inputs = of(Two(), (IMAGE, MASK), "mask=[batch,7]", "picture=fp16")
    assert inputs.names == ("picture", "mask")
    assert inputs.tensors[0].dtype == torch.float16
    assert inputs.dims == ({0: "batch"}, {0: "batch"})
    assert sizes(inputs) == [[4, 3], [4, 7]]


def test_inputs_from_overrides_alone() -> None:
    inputs = of(Two(), None, "picture=[n,3]", "mask=fp64[n,1]")
    assert inputs.names == ("picture", "mask")
    args, kwargs = inputs.arguments(inputs.tensors)
    assert (args, set(kwargs)) == ((), {"image", "mask"})


def test_as_many_as_are_given_where_any_number_is_taken() -> None:
    inputs = of(Any_(), None, "a=[n,2]", "b=[n]")
    assert inputs.names == ("a", "b")
    assert sizes(inputs) == [[2, 2], [2]]


def test_too_many() -> None:
    with pytest.raises(SourceError) as caught:
        of(Two(), (IMAGE, MASK), "a", "b", "c", "d")
    assert caught.value.message == (
        "it has no input for 'c', 'd', which --input names; it has: image, mask"
    )


def test_too_few() -> None:
    with pytest.raises(SourceError) as caught:
        of(Two(), None, "image=[n,3]")
    assert caught.value.message == (
        "it does not say what it is called with: nothing is known of mask"
    )
    with pytest.raises(SourceError, match="nothing is known of its inputs"):
        of(Any_(), None)


def test_no_tensor_at_all() -> None:
    with pytest.raises(SourceError) as caught:
        of(Any_(), (1, 2))
    assert caught.value.message == "it has no tensor among its example inputs"


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # files made by it exist
def test_a_scripted_module_tells_its_arguments() -> None:
    scripted: Any = torch.jit.script(Two())
    assert of(scripted, None, "a=[n,3]", "b=[n,1]").names == ("a", "b")
