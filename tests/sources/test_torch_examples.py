import pytest
import torch

from trtbuild.errors import SourceError
from trtbuild.sources.options import SourceOptions
from trtbuild.sources.torch_examples import example_from_override, fitted, random_tensor
from trtbuild.tensor import InputOverride

pytestmark = pytest.mark.xdist_group("torch")
NOTHING = SourceOptions()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_random_values_are_the_same_each_time(dtype: torch.dtype) -> None:
    tensor = random_tensor((50,), dtype, seed=3)
    assert tensor.dtype == dtype
    assert torch.equal(tensor, random_tensor((50,), dtype, seed=3))
    assert not torch.equal(tensor, random_tensor((50,), dtype, seed=4))
    if not dtype.is_floating_point:
        assert set(tensor.tolist()) == {0, 1}


@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        (("batch", 3, "h", "w"), (2, 3, 224, 224)),
        (("batch", "steps"), (2, 16)),
        ((1, 3, 8, 8), (1, 3, 8, 8)),
        ((), ()),
    ],
)
def test_sizes_for_names(shape: tuple[int | str, ...], sizes: tuple[int, ...]) -> None:
    tensor = example_from_override(InputOverride("x", None, shape), NOTHING)
    assert (tuple(tensor.shape), tensor.dtype) == (sizes, torch.float32)


def test_sizes_that_are_given() -> None:
    options = SourceOptions(example_shapes={"x": (1, 40)})
    override = InputOverride("x", "int64", ("batch", "steps"))
    tensor = example_from_override(override, options)
    assert (tuple(tensor.shape), tensor.dtype) == ((2, 40), torch.int64)  # never 1


def test_without_dims() -> None:
    with pytest.raises(SourceError) as caught:
        example_from_override(InputOverride("x", "fp32", None), NOTHING)
    assert caught.value.message == "--input 'x' does not say what dims it has"
    assert caught.value.hint == "write for example --input 'x=fp32[batch,3,224,224]'"


def test_the_users_own_example_is_kept_where_it_fits() -> None:
    own = torch.arange(6.0).reshape(2, 3)
    assert torch.equal(fitted(own, "x", ("batch", 3), None, NOTHING), own)
    assert torch.equal(fitted(own, "x", (2, 3), "fp16", NOTHING), own.half())


def test_an_example_that_does_not_fit_is_replaced() -> None:
    one = torch.ones(1, 3)
    assert fitted(one, "x", ("batch", 3), None, NOTHING).shape == (2, 3)
    assert fitted(one, "x", ("batch", 5), None, NOTHING).shape == (2, 5)
    assert fitted(one, "x", ("batch", 3, 8), None, NOTHING).shape == (2, 3, 8)
    assert fitted(one.long(), "x", ("batch", 3), None, NOTHING).dtype == torch.int64
