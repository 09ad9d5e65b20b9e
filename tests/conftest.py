"""Names of tests: short, and the same in every process that collects them. What they inherit."""

import gc
import signal
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.cuda_driver import StandIn
from trtbuild import device

if TYPE_CHECKING:
    from trtbuild.cuda import Cuda

pytest_plugins = ["tests.with_tensorrt"]  # its fixtures

# A shell starts what it puts in the background with SIGINT ignored, and processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is decided by how long an example takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

_LONGEST = 48


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Long bytes by their size (an archive has a time in it), long texts by start and checksum."""
    if not isinstance(val, str | bytes) or len(shown := ascii(val)) <= _LONGEST:
        return None
    if isinstance(val, bytes):
        return f"{argname} of {len(val)} bytes"
    return f"{shown[:_LONGEST]}~{zlib.crc32(val.encode('utf-8', 'surrogatepass')):08x}"


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn | None:
    """A stand-in for the CUDA driver where there is no GPU; None: the driver itself is there."""
    return None if device.gpus().gpus else StandIn(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def cuda_driver(stand_in: StandIn | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CUDA layer has a driver, and of a stand-in nothing may be left that is not freed."""
    if stand_in is not None:
        monkeypatch.setattr("trtbuild.cuda.LIBRARY", stand_in.path)
    yield
    if stand_in is not None:
        gc.collect()
        assert stand_in.alive == 0, "a test leaves something behind"


@pytest.fixture
def cuda(cuda_driver: None) -> "Iterator[Cuda]":
    """A GPU, or the stand-in's."""
    from trtbuild.cuda import Cuda

    with Cuda() as opened:
        yield opened
