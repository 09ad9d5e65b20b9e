"""What tests need that build and run plans of data-centre TensorRT: its package and a GPU."""

from __future__ import annotations

import os
from pathlib import Path

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


def shared_folder(factory: pytest.TempPathFactory, name: str) -> Path:
    """One folder for all processes of a test run: what is slow to make is made once."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    (folder := base / name).mkdir(exist_ok=True)
    return folder


@pytest.fixture
def shared_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are built once a run, whichever test asks for them first."""
    folder = shared_folder(tmp_path_factory, "store")
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(folder))
