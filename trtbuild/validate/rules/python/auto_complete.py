"""An `auto_complete_config` that fails.

What: the method is no static method with one argument, or never returns the config.
Why: with auto-complete on, which is the default, the backend calls it on the class and refuses
the model.

Example:
    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        def auto_complete_config(self, config):
            return config

        def execute(self, requests):
            return []

Instead:

    -- demo/config.pbtxt --
    backend: "python"
    -- demo/1/model.py --
    class TritonPythonModel:
        @staticmethod
        def auto_complete_config(config):
            return config

        def execute(self, requests):
            return []

Source: Python backend, pb_stub.cc (AutoCompleteModelConfig); tried on Triton 2.51.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.rules.python.models import python_models

NAME = "python-auto-complete"
SEVERITY = Severity.ERROR
METHOD = "auto_complete_config"


def check(model: Model) -> Iterator[Finding]:
    """One finding a version; none with `--strict-config`, where it is not called."""
    if model.settings.strict_config:
        return
    for path, python in python_models(model):
        method = python.methods.get(METHOD)
        problem = _problem(method) if method is not None else ""
        if method is not None and problem:
            yield Finding(
                message=f"{METHOD} {problem}",
                file=path,
                line=method.lineno,
                column=method.col_offset + 1,
                hint=f"write @staticmethod def {METHOD}(config) and return the config",
            )


def _problem(method: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    given = method.args
    names = [*given.posonlyargs, *given.args]
    bound = {d.id for d in method.decorator_list if isinstance(d, ast.Name)}
    needed = len(names) - len(given.defaults)
    offset = 1 if "classmethod" in bound else 0  # on the class a plain method is not bound
    plain = not method.decorator_list or bound & {"staticmethod", "classmethod"}
    too_few = len(names) < 1 + offset and given.vararg is None
    if plain and (needed > 1 + offset or too_few):
        return f"is called with one argument and takes {needed - offset}"
    returns = [n for n in ast.walk(method) if isinstance(n, ast.Return) and n.value is not None]
    raises = any(isinstance(node, ast.Raise) for node in ast.walk(method))
    return "" if returns or raises else "returns nothing"
