"""Instances of Python models, ended with their test."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trtserve.backends.python.instance import PythonInstance

from tests.serve.backends.python.python_models import (
    DOES,
    IDENTITY,
    Load,
    instance,
)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """`load(methods, top, ...)`: an instance of a model, closed at the end of the test."""
    made: list[PythonInstance] = []

    def load(methods: str, top: str = "", **config: Any) -> PythonInstance:
        made.append(instance(tmp_path, methods, top, **config))
        return made[-1]

    yield load
    for each in made:
        each.kill()
        each.close(5)


@pytest.fixture(scope="module")
def doer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = instance(tmp_path_factory.mktemp("doer"), DOES)
    yield made
    made.close(5)


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = instance(tmp_path_factory.mktemp("identity"), IDENTITY)
    yield made
    made.close(5)
