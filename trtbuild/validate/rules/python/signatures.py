"""A method that cannot be called as the backend calls it.

What: `__init__` or `__new__` needs an argument; `initialize` does not take exactly one beside
`self`. `execute` that does not take the requests alone, or `finalize` that needs an argument, is a
warning.
Why: the backend makes an object of the class and calls `initialize(args)`; a TypeError there
refuses the model. With a wrong `execute` the model loads, and every request fails.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        def initialize(self):
            self.scale = 2

        def execute(self, requests):
            return []

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        def initialize(self, args):
            self.scale = 2

        def execute(self, requests):
            return []

Source: Python backend, pb_stub.cc (Stub::Initialize, Stub::ProcessRequests); tried on Triton 2.51.
"""

from __future__ import annotations

from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.python_model import CLASS, Method, PythonModel, binding, call_problem
from trtbuild.validate.rules.python.models import python_models

NAME = "python-signatures"
SEVERITY = Severity.ERROR
# method -> arguments beside the object, how it is written, whether loading calls it
_CALLS = {
    "__new__": (0, "def __new__(cls)", True),
    "__init__": (0, "def __init__(self)", True),
    "initialize": (1, "def initialize(self, args)", True),
    "execute": (1, "def execute(self, requests)", False),
    "finalize": (0, "def finalize(self)", False),
}


def check(model: Model) -> Iterator[Finding]:
    """One finding a method."""
    for path, python in python_models(model):
        for name, (given, written, on_load) in _CALLS.items():
            method = python.methods.get(name)
            problem = _problem(python, method, given) if method is not None else ""
            if method is not None and problem:
                yield Finding(
                    message=f"{CLASS}.{name} {problem}",
                    file=path,
                    line=method.lineno,
                    column=method.col_offset + 1,
                    hint=f"write {written}",
                    severity=None if on_load else Severity.WARNING,
                )


def _problem(python: PythonModel, method: Method, given: int) -> str:
    bound = binding(method)
    if bound is None or python.decorated:
        return ""
    return call_problem(method, given if bound == "staticmethod" else given + 1)
