import ctypes

import numpy as np
import pytest

from trtbuild.device import gpus
from trtbuild.errors import VerificationError
from trtbuild.verify.cuda import Cuda


def test_memory_goes_to_the_gpu_and_back() -> None:
    if not gpus().gpus:
        pytest.skip("no GPU")
    values = np.arange(1_000_000, dtype=np.float32)
    back, nothing = np.zeros_like(values), np.zeros((0, 3))
    with Cuda() as cuda:
        address = cuda.allocate(values.nbytes)
        cuda.upload(address, values)
        cuda.upload(cuda.allocate(0), nothing)
        cuda.synchronize()
        cuda.download(back, address)
    np.testing.assert_array_equal(back, values)


def test_without_a_driver_it_says_so() -> None:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        with pytest.raises(VerificationError, match="no CUDA driver"):
            Cuda()
    else:
        pytest.skip("this machine has a driver")
