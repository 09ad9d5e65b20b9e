"""`model.py` is no Python.

What: the file of a Python-backend model cannot be parsed by the Python of the server, which
`--server-python` names (3.12, where nothing is said).
Why: the backend refuses the model. Parsed is with the Python that runs trtbuild. What that one is
too old for, and the server's is not, as f-strings with the same quotes inside, is a warning.

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

Source: Python backend, pb_stub.cc; tried on Triton 2.51. Triton's containers have Python 3.12 since
24.12 and had 3.10 before: server, docs/introduction/compatibility.md.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.python_syntax import RUNNING
from trtbuild.validate.rules.python.models import python_models

NAME = "python-syntax"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    server = ".".join(map(str, model.settings.server_python))
    for path, python in python_models(model):
        if python.problem:
            by = ".".join(map(str, python.parser))
            hint = "mend the syntax"
            if not python.sure:
                hint = f"Python {server}, the server's, takes it as far as can be told; run "
                hint += "trtbuild with that Python to be sure"
            elif python.parser != RUNNING:
                hint = f"write it as Python {server} knows it, or say with --server-python which "
                hint += "one the server has"
            yield Finding(
                message=f"{path.name} cannot be parsed by Python {by}: {python.problem}",
                file=path,
                line=python.line,
                column=max(1, python.column) if python.line else 0,
                source=python.text,
                hint=hint,
                severity=None if python.sure else Severity.WARNING,
            )
