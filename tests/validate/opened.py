"""One model opened from text, for tests of what a rule sees."""

from __future__ import annotations

from pathlib import Path

from tests.validate.files import files_of, write
from trtbuild.repository.directory import Directory
from trtbuild.validate.model import Model
from trtbuild.validate.settings import Settings
from trtbuild.validate.targets import open_model


def opened(root: Path, text: str, name: str = "demo", *, strict_config: bool = False) -> Model:
    """The model `name` of the repository that `text` describes (see files.py)."""
    write(root, files_of(text))
    path = root / name
    return open_model(
        name, path / "config.pbtxt", Directory(path), Settings(strict_config=strict_config)
    )
