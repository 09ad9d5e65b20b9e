"""The oracle, started once a worker process, and the way from text to findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.validate.files import files_of, options_of, write
from tests.validate.oracle.server import Triton, running, why_not
from trtbuild.capability import capability_from_text
from trtbuild.validate.finding import Finding
from trtbuild.validate.releases import release_from_text
from trtbuild.validate.run import validate
from trtbuild.validate.settings import Settings

Judge = Callable[..., tuple[Finding, ...]]


@contextmanager
def asked(factory: pytest.TempPathFactory, *options: str) -> Iterator[Triton]:
    """A real tritonserver 2.51 with these options, or a skipped test that says why not."""
    if reason := why_not():
        pytest.skip(reason)
    with running(factory.mktemp("triton") / "server", *options) as server:
        yield server


@pytest.fixture(scope="session")
def triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """It with auto-complete on, as is its default."""
    with asked(tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def strict_triton(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Triton]:
    """It with auto-complete off."""
    with asked(tmp_path_factory, "--disable-auto-complete-config") as server:
        yield server


@pytest.fixture
def judge(tmp_path: Path) -> Judge:
    """Validate a repository given as text (see files.py); keywords go to `Settings`."""

    def run(text: str, **settings: object) -> tuple[Finding, ...]:
        options = options_of(text)
        root = tmp_path / f"repository-{len(list(tmp_path.iterdir()))}"
        root.mkdir()
        write(root, files_of(text))
        if "--strict-config" in options:
            settings["strict_config"] = True
        if "--require-lock" in options:
            settings["require_lock"] = True
        if "--triton" in options:
            settings["triton"] = release_from_text(options[options.index("--triton") + 1])
        if "--server" in options:
            settings["server"] = options[options.index("--server") + 1]
        if "--gpu" in options:
            settings["gpus"] = (capability_from_text(options[options.index("--gpu") + 1]),)
        roots = sorted(root.iterdir()) if "repositories" in options else [root]
        return validate(roots, Settings(**settings)).findings  # type: ignore[arg-type]  # any

    return run
