"""What a Python backend's `model.py` says of itself, by its syntax tree: it is never run."""

from __future__ import annotations

import ast
import functools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trtbuild.validate.bounded import content_of
from trtbuild.validate.python_scope import names_of

CLASS = "TritonPythonModel"
Method = ast.FunctionDef | ast.AsyncFunctionDef
_MAX_BYTES = 4 << 20  # the largest file that is parsed; hand-written ones have some kilobytes


class PythonModel(NamedTuple):
    """The class of a `model.py`, or why there is none."""

    problem: str  # "" where the file was read
    line: int  # of the problem, or of the class
    found: bool  # the class is there
    named: bool  # something of that name is there: imported or assigned, so not looked into
    methods: dict[str, Method]
    bases: bool  # it has base classes, whose methods are not seen
    column: int = 0  # of the problem, 1-based; 0: unknown
    text: str = ""  # the line of the problem
    attributes: frozenset[str] = frozenset()  # all that the class binds, its methods too
    decorated: bool = False  # or made by a metaclass: what is called may be something else


@functools.lru_cache(maxsize=64)
def _read(path: Path, _stamp: tuple[int, int]) -> PythonModel | None:
    source = content_of(path, _MAX_BYTES)
    if source is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code: not ours to print
            tree = ast.parse(source)
        return _of_tree(tree)
    except SyntaxError as error:
        return _unparsed(error)
    except (ValueError, RecursionError, MemoryError) as error:
        return PythonModel(str(error) or type(error).__name__, 0, False, False, {}, False)


def _unparsed(error: SyntaxError) -> PythonModel:
    problem, line = error.msg or "invalid syntax", error.lineno or 0
    text = (error.text or "").rstrip("\r\n")
    return PythonModel(problem, line, False, False, {}, False, max(0, error.offset or 0), text)


def _of_tree(tree: ast.Module) -> PythonModel:
    names = names_of(tree.body)
    bound = names.get(CLASS, [])
    only = bound[0] if len(bound) == 1 else None
    if isinstance(only, ast.ClassDef):
        return _of_class(only)
    unseen = "*" in names or "__getattr__" in names or any(_binds_unseen(tree))
    return PythonModel("", 0, False, bool(bound) or unseen, {}, False)


def _of_class(node: ast.ClassDef) -> PythonModel:
    names = names_of(node.body)
    methods = {
        name: nodes[0]
        for name, nodes in names.items()
        if len(nodes) == 1 and isinstance(nodes[0], ast.FunctionDef | ast.AsyncFunctionDef)
    }
    decorated = bool(node.keywords or node.decorator_list)
    bases = bool(node.bases) or decorated
    attributes = frozenset(names)
    return PythonModel(
        "", node.lineno, True, True, methods, bases, attributes=attributes, decorated=decorated
    )


def _binds_unseen(tree: ast.Module) -> Iterator[bool]:
    """Whether the name may be bound in a way that no statement of the module shows."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield CLASS in node.names
        elif isinstance(node, ast.Subscript):  # globals()["TritonPythonModel"] = ...
            yield isinstance(node.slice, ast.Constant) and node.slice.value == CLASS
        elif isinstance(node, ast.Call):  # exec(...), setattr(module, "TritonPythonModel", ...)
            yield isinstance(node.func, ast.Name) and node.func.id == "exec"
            yield any(isinstance(a, ast.Constant) and a.value == CLASS for a in node.args)
            yield any(keyword.arg == CLASS for keyword in node.keywords)


def read_python_model(path: Path) -> PythonModel | None:
    """The class in the file at `path`; None where there is no such file or it is huge."""
    try:
        stat = path.stat()
        return _read(path, (stat.st_mtime_ns, stat.st_size))
    except OSError:
        return None


def auto_completes(path: Path) -> bool:
    """Whether the model in the file at `path` may add inputs and outputs itself."""
    try:
        if b"auto_complete_config" not in (content_of(path, _MAX_BYTES) or b""):
            return False
    except OSError:
        return False
    model = read_python_model(path)
    return model is not None and (
        not model.found or "auto_complete_config" in model.attributes or model.bases
    )


def binding(method: Method) -> str | None:
    """How it is bound: "" as any method is, "staticmethod" or "classmethod".

    None where another decorator hides what is called.
    """
    names = [d.id if isinstance(d, ast.Name) else "" for d in method.decorator_list]
    if not names:
        return ""
    return names[0] if names in (["staticmethod"], ["classmethod"]) else None


def call_problem(method: Method, given: int) -> str:
    """Why a call with `given` arguments, the bound one among them, fails; "" where it does not."""
    args = method.args
    names = [*args.posonlyargs, *args.args]
    needed = len(names) - len(args.defaults)
    missing = [
        a.arg for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if not default
    ]
    if given < needed or (given > len(names) and args.vararg is None):
        takes = str(needed) if needed == len(names) else f"{needed} to {len(names)}"
        return f"is called with {given} argument{'s' * (given != 1)} and takes {takes}"
    return f"is called without its argument '{missing[0]}'" if missing else ""
