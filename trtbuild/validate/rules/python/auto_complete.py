"""An `auto_complete_config` that fails.

What: the method is no static method with one argument, or never returns the config: it is a
coroutine or a generator, has no `return` of its own with a value, or returns None or another
literal. Or a dict that it gives to `add_input`, `add_output` or `set_model_transaction_policy`,
written out in the method, has a key that is not taken, lacks one, or contradicts the config.
Why: with auto-complete on, which is the default, the backend calls it on the class and refuses
the model: "must return a valid pb.ModelConfig object", "contains property other than 'name',
'data_type', 'dims' and 'optional'".

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

Source: Python backend, pb_stub.cc (AutoCompleteModelConfig), triton_python_backend_utils.py
(ModelConfig); tried on Triton 2.51.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from trtbuild.validate.finding import Finding, Severity
from trtbuild.validate.model import Model
from trtbuild.validate.python_model import Method, binding, call_problem
from trtbuild.validate.rules.python.added import Properties, properties
from trtbuild.validate.rules.python.models import python_models
from trtbuild.validate.words import data_type

NAME = "python-auto-complete"
SEVERITY = Severity.ERROR
METHOD = "auto_complete_config"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_YIELDS = (ast.Yield, ast.YieldFrom)
_LITERALS = (ast.Constant, ast.JoinedStr, ast.Dict, ast.List, ast.Tuple, ast.Set, ast.Lambda)


def check(model: Model) -> Iterator[Finding]:
    """One finding a version for the method, one a dict; none with `--strict-config`."""
    if model.settings.strict_config:  # it is not called
        return
    for path, python in python_models(model):
        method = python.methods.get(METHOD)
        if method is None:
            continue
        if problem := _problem(method):
            yield Finding(
                message=f"{METHOD} {problem}",
                file=path,
                line=method.lineno,
                column=method.col_offset + 1,
                hint=f"write @staticmethod def {METHOD}(config) and return the config",
            )
        for told in properties(method):
            if problem := told.problem or _contradiction(model, told):
                yield Finding(
                    message=f"{METHOD} gives {told.call} {problem}",
                    file=path,
                    line=told.line,
                    column=told.column,
                    hint=f"{told.call} takes {told.takes}"
                    if told.problem
                    else "write the same in both, or leave it out of the config",
                )


def _contradiction(model: Model, told: Properties) -> str:
    """What the config says otherwise; "" where they agree or that cannot be seen."""
    role = told.call.removeprefix("add_")
    for entry in getattr(model.config, role, ()):
        if entry.name != told.values.get("name"):
            continue
        name, given, dims = f"{role} '{entry.name}'", *map(told.values.get, ("data_type", "dims"))
        if entry.data_type and isinstance(given, str) and given != data_type(entry.data_type):
            return f"the {name} as {given}, and the config says {data_type(entry.data_type)}"
        if entry.dims and isinstance(dims, list) and dims != list(entry.dims):
            return f"the {name} with the dims {dims}, and the config says {list(entry.dims)}"
    return ""


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
