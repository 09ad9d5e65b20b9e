"""A file name that the Python backend cannot import.

What: `default_model_filename` of a Python model does not end in `.py`; or it, or the folder it lies
in, has another dot in it; or it has a space or a character that a shell reads; or the folder is
called like a Python file beside it, or like a module of Python's own; or it is a folder itself.
Why: the backend imports the file as a module of its folder, `1.model` or `src.model`, by a command
line that a shell splits. It refuses the model ("Model name must end with '.py'",
"ModuleNotFoundError"), or never answers.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    default_model_filename: "model.v2.py"
    -- demo/1/model.v2.py --
    class TritonPythonModel:
        def execute(self, requests):
            return []

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    default_model_filename: "model_v2.py"
    -- demo/1/model_v2.py --
    class TritonPythonModel:
        def execute(self, requests):
            return []

Source: Python backend, pb_stub.cc (Stub::Initialize) and stub_launcher.cc; tried on Triton 2.51.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.files.versions import VersionFile, version_files

NAME = "python-file-name"
SEVERITY = Severity.ERROR
_SHELL = re.compile(r"[\s'\"$;&|()<>`\\]")


def check(model: Model) -> Iterator[Finding]:
    """One finding a version whose file is there."""
    if model.backend != "python":
        return
    for file in version_files(model):
        problem = _problem(file, model.settings.server) if file.exists else ""
        if problem:
            written = bool(model.config.default_model_filename)
            yield Finding(
                message=f"the Python backend cannot import {file.shown}: {problem}",
                at=("default_model_filename",) if written else (),
                file=None if written else file.path,
                hint="call it by letters, digits and _, with .py at the end, in the version's "
                "folder",
            )


def _problem(file: VersionFile, server: str) -> str:
    before, _, name = f"{file.folder.path.name}/{file.name}".rpartition("/")
    folder = before.rpartition("/")[2]
    stem = name.removesuffix(".py")
    if file.path.is_dir():
        return "it is a folder"
    if stem == name:
        return "its name does not end in .py"
    if (found := _SHELL.search(file.name)) and server == "triton":
        return f"its name has {found[0]!r} in it, which a shell reads"
    if "." in stem:
        return f"'{name}' has a dot before .py, which Python takes for a package's"
    if not folder or "." in folder:
        return f"'{folder}' is not a folder that Python can name"
    if folder in sys.stdlib_module_names:
        return f"Python has a module '{folder}' of its own"
    places = (file.path.parent, file.path.parent.parent)
    if any((place / f"{folder}.py").is_file() for place in places):
        return f"Python takes {folder}.py for the folder '{folder}'"
    return ""
