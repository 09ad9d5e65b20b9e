import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy
from torch.utils.dlpack import from_dlpack
from trtserve.backends.python import triton_python_backend_utils as pb_utils
from trtserve.backends.python.dtypes import deserialize_bytes_tensor, serialize_byte_tensor

Tensor, TritonModelException = pb_utils.Tensor, pb_utils.TritonModelException


@pytest.mark.parametrize(
    "dtype", ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]
)
def test_each_numpy_type_has_its_triton_type(dtype: str) -> None:
    tensor = Tensor("x", np.zeros((2, 3), dtype))
    number = tensor.triton_dtype()
    assert np.dtype(pb_utils.triton_to_numpy_type(number)) == np.dtype(dtype)
    assert pb_utils.numpy_to_triton_type(np.dtype(dtype).type) == number
    assert tensor.shape() == [2, 3]
    assert tensor.is_cpu()


def test_types_that_triton_lacks_are_refused() -> None:
    for array in (np.zeros(1, "c8"), np.zeros(1, "M8[s]"), np.array(["a"]), np.zeros(1, ">i4")):
        with pytest.raises(TritonModelException, match="NumPy dtype is not supported"):
            Tensor("x", array)


def test_what_is_no_array_or_no_name_is_refused() -> None:
    for value in ([1, 2], 3, None, np.float32(3)):
        with pytest.raises(TypeError, match=r"numpy\.asarray"):
            Tensor("x", value)  # type: ignore[arg-type] # on purpose
    with pytest.raises(TritonModelException, match="name cannot be an empty string"):
        Tensor("", np.zeros(1))


def test_any_memory_order_becomes_rows_first() -> None:
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for view in (array.T, array[:, ::2], array[::-1], np.asfortranarray(array)):
        held = Tensor("x", view).as_numpy()
        assert held.flags.c_contiguous
        assert (held == view).all()


@given(of_numpy.arrays(object, of_numpy.array_shapes(max_dims=3, min_side=0), elements=st.binary()))
def test_bytes_tensors_round_trip(array: np.ndarray) -> None:
    encoded = serialize_byte_tensor(array)
    decoded = deserialize_bytes_tensor(encoded or b"")
    assert decoded.reshape(array.shape).tolist() == array.tolist()


def test_what_is_no_bytes_is_written_as_text() -> None:
    array = np.array([b"a\0", "ü", 3, None, np.str_("x"), np.bytes_(b"y")], object)
    encoded = serialize_byte_tensor(array)
    assert encoded
    # np.bytes_ is no `bytes`, so Triton writes its str: the same here.
    assert deserialize_bytes_tensor(encoded).tolist() == [
        b"a\0", "ü".encode(), b"3", b"None", b"x", b"b'y'",
    ]  # fmt: skip
    assert serialize_byte_tensor(np.array([b"ab", b"c"])) == b"\2\0\0\0ab\1\0\0\0c"
    assert serialize_byte_tensor(np.zeros(3)) is None
    assert serialize_byte_tensor(np.zeros(0, object)) == ()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.int64, torch.uint8])
def test_torch_tensors_come_and_go_by_dlpack(dtype: torch.dtype) -> None:
    source = torch.arange(6).reshape(2, 3).to(dtype)
    tensor = Tensor.from_dlpack("x", source)
    assert (tensor.as_numpy() == source.numpy()).all()
    for back in (from_dlpack(tensor), from_dlpack(tensor.to_dlpack())):
        assert back.dtype == dtype
        assert torch.equal(back, source)
        assert back.data_ptr() == source.data_ptr()  # no copy
    capsule = source.__dlpack__()
    assert torch.equal(from_dlpack(Tensor.from_dlpack("x", capsule)), source)


def test_bf16_crosses_by_dlpack_alone() -> None:
    source = torch.tensor([1.5, -2.0], dtype=torch.bfloat16)
    tensor = Tensor.from_dlpack("x", source)
    assert torch.equal(from_dlpack(tensor), source)
    assert tensor.triton_dtype() == 14
    with pytest.raises(TritonModelException, match="NumPy has no BF16"):
        tensor.as_numpy()
    assert source.dtype == torch.bfloat16  # the source is as it was


def test_dlpack_refusals() -> None:
    with pytest.raises(TritonModelException, match="not contiguous"):
        Tensor.from_dlpack("x", torch.zeros(4, 4).T)
    with pytest.raises(TritonModelException, match="DLPack capsule"):
        Tensor.from_dlpack("x", [1, 2])
    with pytest.raises(TritonModelException, match="empty"):
        Tensor.from_dlpack("", torch.zeros(1))
    with pytest.raises(TritonModelException, match="string tensors"):
        Tensor("x", np.array([b"a"], object)).to_dlpack()
    with pytest.raises(TritonModelException, match="dtype"):
        Tensor.from_dlpack("x", torch.zeros(1, dtype=torch.complex64))
