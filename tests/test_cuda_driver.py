"""What a driver says, on the real one where there is a GPU, else on a stand-in for it."""

from pathlib import Path

import pytest

from tests.cuda_driver import StandIn
from trtbuild import cuda as layer
from trtbuild.cuda import Cuda, DeviceMemory
from trtbuild.cuda_driver import Driver
from trtbuild.errors import CudaError


def test_errors_name_the_call_and_give_the_drivers_text(cuda: Cuda) -> None:
    with pytest.raises(CudaError, match=r"cuMemAlloc_v2 answered 2 \(out of memory\)") as caught:
        DeviceMemory(cuda, 1 << 50)
    assert caught.value.hint == "the GPU's memory is used up: nvidia-smi shows by whom"
    with pytest.raises(CudaError, match=r"cuDeviceGet answered 101 \(invalid device ordinal\)"):
        Cuda(4711)


def test_without_a_driver_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "LIBRARY", "libno-such-driver.so.1")
    with pytest.raises(CudaError, match=r"no CUDA driver: libno-such-driver\.so\.1"):
        Cuda()


def test_a_library_that_is_no_driver_is_named_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layer, "LIBRARY", "libc.so.6")
    with pytest.raises(CudaError, match="the CUDA driver lacks cuInit"):
        Cuda()


def test_the_stand_in_has_each_call_that_is_used(tmp_path: Path) -> None:
    library = Driver(StandIn(tmp_path).path)
    assert library is not None
