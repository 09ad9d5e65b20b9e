"""The `model.py` of each version that is loaded, walked once for all rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trtbuild.validate.model import Model
from trtbuild.validate.python_model import PythonModel, read_python_model
from trtbuild.validate.rules.files.versions import version_files


def python_models(model: Model) -> Iterator[tuple[Path, PythonModel]]:
    """Path and class of each; none for other backends, and none that is missing or huge."""
    if model.backend != "python":
        return
    for file in version_files(model):
        if file.path.suffix != ".py":
            continue
        python = read_python_model(file.path, model.settings.server_python)
        if python is not None:
            yield file.path, python
