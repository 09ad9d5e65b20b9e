"""Places that every way to write has to cope with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repository.places import mounted


@pytest.fixture(params=["beside", "mount point"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A repository whose model is staged beside it, and one where that is another file system."""
    repo = tmp_path / "repo"
    if request.param == "beside":
        yield repo
        return
    repo.mkdir()
    with mounted(repo, "size=20m"):
        yield repo
