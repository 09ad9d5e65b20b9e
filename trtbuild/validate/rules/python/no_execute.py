"""The Python model cannot answer requests.

What: the class `TritonPythonModel` has no method `execute`, and no base class that could.
Why: the model loads, and every request fails.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        def run(self, requests):
            return []

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        def execute(self, requests):
            return []

Source: Python backend, pb_stub.cc; that it loads was tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.python_model import CLASS
from trtbuild.validate.rules.python.models import python_models
from trtbuild.validate.words import one_of

NAME = "python-without-execute"
SEVERITY = Severity.WARNING


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    for path, python in python_models(model):
        if python.found and not python.bases and "execute" not in python.attributes:
            yield Finding(
                message=f"{CLASS} has no method execute; it has {one_of(python.attributes)}",
                file=path,
                line=python.class_line,
                column=1,
                hint="write def execute(self, requests)",
            )
