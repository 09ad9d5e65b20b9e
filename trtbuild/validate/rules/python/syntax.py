"""`model.py` is no Python.

What: the file of a Python-backend model cannot be parsed.
Why: the backend refuses the model. Parsed is with the Python that runs trtbuild; the server's may
know less.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel
        pass

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        def execute(self, requests):
            return []

Source: Python backend, pb_stub.cc; tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.python.models import python_models

NAME = "python-syntax"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    for path, python in python_models(model):
        if python.problem:
            yield Finding(
                message=f"{path.name} cannot be parsed: {python.problem}",
                file=path,
                line=python.line,
                column=max(1, python.column) if python.line else 0,
                source=python.text,
                hint="mend the syntax",
            )
