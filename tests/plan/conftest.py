from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from trtbuild.device import Devices
from trtbuild.errors import MissingPackageError
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.store import Store
from trtbuild.workers.pool import Pool, Worker


@pytest.fixture(scope="session")
def rtx() -> RuntimeInfo:
    try:
        return choose_runtime("tensorrt-rtx", Devices())
    except MissingPackageError:
        pytest.skip("no tensorrt-rtx")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


class WatchedPool(Pool):
    """A pool that remembers what it started."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[Worker] = []
        self.environments: list[dict[str, str]] = []

    def start(self, environment: dict[str, str] | None = None) -> Worker:
        self.environments.append(environment or {})
        self.started.append(worker := super().start(environment))
        return worker


@pytest.fixture
def pool() -> Iterator[WatchedPool]:
    pool = WatchedPool()
    with pool:
        yield pool
