"""`model.py` has no class `TritonPythonModel`.

What: when the file is imported, it neither defines nor imports nor assigns that name. A class
inside a function or another class, or under `if __name__ == "__main__":`, is not the module's.
Why: the backend refuses the model: "module has no attribute 'TritonPythonModel'".

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class Model:
        def execute(self, requests):
            return []

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
from trtbuild.validate.python_model import CLASS
from trtbuild.validate.rules.python.models import python_models

NAME = "python-without-class"
SEVERITY = Severity.ERROR


def check(model: Model) -> Iterator[Finding]:
    """One finding a version."""
    for path, python in python_models(model):
        if not python.problem and not python.found and not python.named:
            yield Finding(
                message=f"{path.name} has no class {CLASS}",
                file=path,
                hint=f"call the model's class {CLASS}",
            )
