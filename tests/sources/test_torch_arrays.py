import ml_dtypes
import numpy as np
import pytest
import torch

from trtbuild.errors import SourceError
from trtbuild.sources.torch_arrays import array_from_tensor, tensor_from_array, torch_dtype
from trtbuild.tensor import DTYPES

pytestmark = pytest.mark.xdist_group("torch")
WITHOUT = {"string", "uint4", "int4", "uint2", "int2", "fp4e2m1", "fp6e2m3", "fp6e3m2"}


@pytest.mark.parametrize("name", sorted(set(DTYPES) - WITHOUT))
def test_there_and_back(name: str) -> None:
    numpy_name = DTYPES[name].numpy
    dtype = np.dtype(getattr(ml_dtypes, numpy_name, None) or numpy_name)
    array = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype)
    tensor = tensor_from_array(array)
    assert tensor.dtype == torch_dtype(name)
    assert tensor.shape == (2, 3)
    back = array_from_tensor(tensor)
    assert back.dtype == dtype
    assert back.tobytes() == array.tobytes()


def test_the_tensor_has_memory_of_its_own() -> None:
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    tensor = tensor_from_array(array)
    tensor += 1
    assert array.sum() == 0


def test_what_is_not_contiguous() -> None:
    tensor = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3).T
    assert array_from_tensor(tensor).astype(int).tolist() == [[0, 3], [1, 4], [2, 5]]
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert tensor_from_array(array).tolist() == [[0, 3], [1, 4], [2, 5]]


def test_a_tensor_with_a_gradient() -> None:
    assert array_from_tensor(torch.ones(2, requires_grad=True)).tolist() == [1, 1]


def test_a_dtype_that_torch_does_not_have() -> None:
    with pytest.raises(SourceError) as caught:
        torch_dtype("string")
    with pytest.raises(SourceError):
        tensor_from_array(np.zeros(2, ml_dtypes.float6_e2m3fn))
    assert caught.value.message == "PyTorch has no tensors of type string"
