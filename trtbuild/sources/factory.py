"""A user's own function that makes a PyTorch module: found, called, and its errors told."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import torch

from trtbuild.errors import SourceError
from trtbuild.users_code import function_in, import_code, kind_of, split_factory, users_errors

_RETURN = "return the module, or (module, example_inputs)"


def call_factory(location: str, seed: int) -> tuple[torch.nn.Module, Any]:
    """The module that `file.py:function` makes, and its example inputs, None where it gives none.

    torch is seeded first, so that a module with random weights is the same each time. Raises
    `SourceError` with the last line of the user's traceback and its place.
    """
    file, name = split_factory(location)
    with users_errors(location, file):
        namespace = import_code(file)
    function = _function(namespace, name, location)
    torch.manual_seed(seed)
    with users_errors(location, file):
        # A module itself may be named as well.
        made = function if isinstance(function, torch.nn.Module) else function()
    module, examples = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, torch.nn.Module):
        raise SourceError(
            f"'{location}' returned {kind_of(made)}, not a torch.nn.Module", f"let it {_RETURN}"
        )
    return module, examples


def _function(namespace: ModuleType, name: str, location: str) -> Any:
    function = function_in(namespace, name, location)
    if isinstance(function, torch.nn.Module):
        return function
    required = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]
    if required:
        raise SourceError(
            f"'{location}' takes arguments ({', '.join(required)}), and it is called without any",
            f"write a function without arguments that calls it; let it {_RETURN}; one that defines "
            "a TensorRT network is given with --kind network or with --weights FILE",
        )
    return function
