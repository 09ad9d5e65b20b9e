"""What the backend's tests run on: TensorRT for RTX as far as no GPU is needed, else the GPU."""

from __future__ import annotations

import pytest

from trtbuild import device as devices
from trtbuild.errors import TrtbuildError
from trtbuild.plan.runtimes import TENSORRT, RuntimeInfo, choose_runtime


@pytest.fixture(scope="session")
def rtx() -> RuntimeInfo:
    """TensorRT for RTX."""
    try:
        return choose_runtime("tensorrt-rtx", devices.gpus())
    except TrtbuildError as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def on_gpu() -> RuntimeInfo:
    """Data-centre TensorRT on a GPU of this machine."""
    try:
        return choose_runtime(TENSORRT, devices.gpus())
    except TrtbuildError as error:
        pytest.skip(error.message)
