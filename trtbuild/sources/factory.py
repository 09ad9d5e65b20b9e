"""A user's own function that makes a PyTorch module: found, called, and its errors told."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from trtbuild.errors import SourceError, first_line
from trtbuild.sources.naming import split_factory

_RETURN = "return the module, or (module, example_inputs)"


def call_factory(location: str, seed: int) -> tuple[torch.nn.Module, Any]:
    """The module that `file.py:function` makes, and its example inputs, None where it gives none.

    torch is seeded first, so that a module with random weights is the same each time. Raises
    `SourceError` with the last line of the user's traceback and its place.
    """
    file, name = split_factory(location)
    with _users_errors(location, file):
        namespace = _import(file)
    function = _function(namespace, name, location)
    torch.manual_seed(seed)
    with _users_errors(location, file):
        # A module itself may be named as well.
        made = function if isinstance(function, torch.nn.Module) else function()
    module, examples = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, torch.nn.Module):
        raise SourceError(
            f"'{location}' returned {_kind(made)}, not a torch.nn.Module", f"let it {_RETURN}"
        )
    return module, examples


def _import(file: str) -> ModuleType:
    """Import as `python FILE` or `python -m` would find it: neighbours can be imported."""
    if not file.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(file)
    path = Path(file).absolute()
    sys.path.insert(0, str(path.parent))
    name = f"trtbuild_factory_{path.stem}"  # a file may be called torch.py
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def _function(namespace: ModuleType, name: str, location: str) -> Any:
    function: Any = namespace
    for part in name.split("."):
        function = getattr(function, part, None)
    if function is None or not callable(function):
        what = "there is no such name" if function is None else f"it is {_kind(function)}"
        own = [
            key
            for key, value in vars(namespace).items()
            if callable(value) and getattr(value, "__module__", "") == namespace.__name__
        ]
        raise SourceError(
            f"'{location}' cannot be called: {what}",
            f"its functions and classes are: {', '.join(own) or '(none)'}",
        )
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
            f"write a function without arguments that calls it; let it {_RETURN}",
        )
    return function


@contextlib.contextmanager
def _users_errors(location: str, file: str) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        what = f"{type(error).__name__}: {first_line(error)}"
        raise SourceError(f"'{location}' failed: {what}{_place(error, file)}") from error


def _place(error: BaseException, file: str) -> str:
    """The innermost line of the user's own code, where there is one."""
    if isinstance(error, SyntaxError):
        return ""  # its message has the place
    frames = traceback.extract_tb(error.__traceback__)
    folder = str(Path(file).absolute().parent if file.endswith(".py") else Path.cwd())
    own = [frame for frame in frames if _is_own(frame.filename, folder)]
    return f" ({own[-1].filename}, line {own[-1].lineno}, in {own[-1].name})" if own else ""


def _is_own(filename: str, folder: str) -> bool:
    """In `folder`, and neither trtbuild nor an installed package that lies below it."""
    package = str(Path(__file__).parents[1])
    return (
        filename.startswith(folder)
        and "site-packages" not in filename
        and not filename.startswith(package)
    )


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
