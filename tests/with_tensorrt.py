"""What tests need that build and run plans of data-centre TensorRT: its package and a GPU."""

from __future__ import annotations

import pytest

from trtbuild.device import gpus
from trtbuild.errors import TrtbuildError
from trtbuild.plan.runtimes import choose_runtime


def lacking() -> str:
    """Why no plan of data-centre TensorRT can be built and run here; "" where it can."""
    try:
        choose_runtime("tensorrt", gpus())
    except TrtbuildError as error:
        return error.message
    return ""


needs_tensorrt = pytest.mark.skipif(bool(lacking()), reason=lacking())
