"""An `auto_complete_config` that fails.

What: the method is no static method with one argument, or never returns the config: it is a
coroutine or a generator, has no `return` of its own with a value, or returns None or another
literal.
Why: with auto-complete on, which is the default, the backend calls it on the class and refuses
the model: "must return a valid pb.ModelConfig object".

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
from trtbuild.validate.python_model import Method, binding, call_problem
from trtbuild.validate.rules.python.models import python_models

NAME = "python-auto-complete"
SEVERITY = Severity.ERROR
METHOD = "auto_complete_config"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_YIELDS = (ast.Yield, ast.YieldFrom)
_LITERALS = (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.Lambda)


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


def _problem(method: Method) -> str:
    bound = binding(method)
    if bound is None:
        return ""
    # On the class a plain method is not bound.
    problem = call_problem(method, 2 if bound == "classmethod" else 1)
    if problem:
        return problem
    own = list(_own_nodes(method))
    if isinstance(method, ast.AsyncFunctionDef) or any(isinstance(n, _YIELDS) for n in own):
        return "returns a coroutine or generator, not the config"
    values = [node.value for node in own if isinstance(node, ast.Return) and node.value]
    if not values:
        raises = any(isinstance(node, ast.Raise) for node in own)
        return "raises and returns nothing" if raises else "returns nothing"
    if all(isinstance(value, _LITERALS) for value in values):
        return f"returns {ast.unparse(values[0])}, not the config"
    return ""


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What lies below, without the functions and classes in there."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, _SCOPES):
            yield child
            yield from _own_nodes(child)
