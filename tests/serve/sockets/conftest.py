"""One server for what does not change it, and a look at its log after every test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from onnx import TensorProto

from tests.serve.conftest import Running
from tests.serve.models import CONFIG_16, add_sub, identity, put, slow
from tests.serve.sockets.limited import BIG_ROWS

BYTES = """
input { name: "INPUT0" data_type: TYPE_STRING dims: [-1] }
output { name: "OUTPUT0" data_type: TYPE_STRING dims: [-1] }
"""
ANY = """
input { name: "INPUT0" data_type: TYPE_FP32 dims: [-1, -1] }
output { name: "OUTPUT0" data_type: TYPE_FP32 dims: [-1, -1] }
"""


def models(repository: Path) -> Path:
    put(repository, "identity", identity(), CONFIG_16)
    put(repository, "add_sub", add_sub())
    put(repository, "text", identity(TensorProto.STRING, ["n"]), BYTES)
    put(repository, "any", identity(TensorProto.FLOAT, ["a", "b"]), ANY)
    put(repository, "whole", identity(TensorProto.INT64, ["batch", 2]))
    return repository


@pytest.fixture(scope="session")
def served(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    return start(models(tmp_path_factory.mktemp("repository")), stall_timeout_s=60.0)


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def no_traceback() -> Iterator[None]:
    """Nothing that a client sends is a bug of the server's, and only bugs have a traceback."""
    handler = _Kept()
    loggers = [logging.getLogger(name) for name in ("trtserve", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)
    bad = [r for r in handler.records if r.exc_info or r.name == "asyncio"]
    assert [record.getMessage() for record in bad] == []


@pytest.fixture(scope="module")
def server(start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory) -> Running:
    repository = tmp_path_factory.mktemp("repository")
    put(repository, "identity", identity(), CONFIG_16 + "dynamic_batching {}")
    limited = "dynamic_batching { default_queue_policy { max_queue_size: 2 } }"
    put(repository, "big", identity(), CONFIG_16.replace("64", str(BIG_ROWS)))
    put(repository, "slow", slow(12_000), CONFIG_16.replace("64", "1") + limited)
    return start(repository, stall_timeout_s=1.0)
