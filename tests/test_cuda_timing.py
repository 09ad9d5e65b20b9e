"""On the real driver where there is a GPU, else on a stand-in for it (see `cuda_driver.py`)."""

import numpy as np
import pytest

from trtbuild.cuda import Cuda, DeviceMemory, PinnedMemory, Stream
from trtbuild.cuda_timing import Mark
from trtbuild.errors import CudaError


def test_marks_tell_how_long_the_work_between_them_took(cuda: Cuda) -> None:
    there, here = DeviceMemory(cuda, 1 << 20), PinnedMemory(cuda, 1 << 20)
    here.array[:] = 7
    stream, other = Stream(cuda), Stream(cuda)
    start, middle, end = Mark(cuda), Mark(cuda), Mark(cuda)
    for _ in range(2):  # a mark is recorded again in its own place
        start.record(stream)
        stream.upload(there.address, here.array)
        middle.record(stream)
        middle.hold(other)
        other.download(here.array, there.address)
        end.record(other)
        end.wait()
        parts = middle.milliseconds_since(start), end.milliseconds_since(middle)
        assert min(parts) >= 0
        assert end.milliseconds_since(start) == pytest.approx(sum(parts), abs=2e-3)
    np.testing.assert_array_equal(here.array, 7)
    for each in (there, here, stream, other, start, middle, end):
        each.free()


def test_a_mark_that_was_never_passed_has_no_time(cuda: Cuda) -> None:
    stream, start, never = Stream(cuda), Mark(cuda), Mark(cuda)
    start.record(stream)
    with pytest.raises(CudaError, match="cuEventElapsedTime"):
        never.milliseconds_since(start)
    for each in (stream, start, never):
        each.free()
