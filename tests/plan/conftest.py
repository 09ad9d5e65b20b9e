from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.plan.runs import Run, WatchedPool
from trtbuild.device import Devices
from trtbuild.errors import MissingPackageError
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.store import Store


@pytest.fixture(scope="session")
def rtx() -> RuntimeInfo:
    try:
        return choose_runtime("tensorrt-rtx", Devices())
    except MissingPackageError:
        pytest.skip("no tensorrt-rtx")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def pool() -> Iterator[WatchedPool]:
    pool = WatchedPool()
    with pool:
        yield pool


@pytest.fixture
def run(rtx: RuntimeInfo, store: Store, pool: WatchedPool) -> Run:
    return Run(rtx, store, pool)
