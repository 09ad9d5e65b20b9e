"""What a Python backend's `model.py` says of itself, by its syntax tree: it is never run."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from trtbuild.validate.bounded import content_of
from trtbuild.validate.python_scope import names_of
from trtbuild.validate.python_syntax import RUNNING, Version, parse

CLASS = "TritonPythonModel"
COMPLETES = "auto_complete_config"  # the static method that auto-complete calls
SERVER_PYTHON: Version = (3, 12)  # of Triton's containers since 24.12
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
    class_line: int = 0
    parser: Version = RUNNING  # the Python that has the problem
    sure: bool = True  # False: the server's Python has not this problem, as far as can be told
    sets_completion: bool = False  # something may give the class `COMPLETES` from outside of it


@functools.lru_cache(maxsize=64)
def _read(path: Path, _stamp: tuple[int, int], server: Version) -> PythonModel | None:
    source = content_of(path, _MAX_BYTES)
    if source is None:
        return None
    try:
        tree, error, parser, sure = parse(source, server)
        model = _of_tree(tree) if tree is not None else _UNSEEN
    except (ValueError, RecursionError, MemoryError) as refusal:
        return _UNSEEN._replace(problem=str(refusal) or type(refusal).__name__)
    if tree is not None and any(word in source for word in _SETTING):
        model = model._replace(sets_completion=any(_sets_completion(tree)))
    return model if error is None else _with_problem(model, error, parser, sure=sure)


_UNSEEN = PythonModel("", 0, False, False, {}, False)


def _with_problem(
    model: PythonModel, error: SyntaxError, parser: Version, *, sure: bool
) -> PythonModel:
    return model._replace(
        problem=error.msg or "invalid syntax",
        line=error.lineno or 0,
        column=max(0, error.offset or 0),
        text=(error.text or "").rstrip("\r\n"),
        parser=parser,
        sure=sure,
    )


# Without one of these in its text, a file gives the class no method from outside of it.
_SETTING = (COMPLETES.encode(), b"setattr", b"locals", b"vars", b"exec", b"__dict__")


def _sets_completion(tree: ast.Module) -> Iterator[bool]:
    """Whether something may give the class the method from outside of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr == COMPLETES and isinstance(node.ctx, ast.Store)
            yield node.attr == "__dict__"
        elif isinstance(node, ast.Constant):
            yield node.value == COMPLETES
        elif isinstance(node, ast.keyword):
            yield node.arg == COMPLETES
    for node in _run_on_import(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.func.id in ("locals", "vars", "exec")
            named = len(node.args) == 3 and isinstance(node.args[1], ast.Constant)
            yield node.func.id == "setattr" and not named


def _run_on_import(node: ast.AST) -> Iterator[ast.AST]:
    """What the import of the module runs: all but the bodies of functions."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from _run_on_import(child)


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
        "",
        node.lineno,
        True,
        True,
        methods,
        bases,
        attributes=attributes,
        decorated=decorated,
        class_line=node.lineno,
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


def read_python_model(path: Path, server: Version = SERVER_PYTHON) -> PythonModel | None:
    """The class in the file at `path`; None where there is no such file or it is huge.

    `server` is the Python of the server, for which it is parsed.
    """
    try:
        stat = path.stat()
        return _read(path, (stat.st_mtime_ns, stat.st_size), server)
    except OSError:
        return None


def auto_completes(path: Path, server: Version = SERVER_PYTHON) -> bool | None:
    """Whether the model in the file at `path` adds inputs and outputs itself.

    None where that cannot be seen: the class, or one that it is made of, comes from elsewhere.
    """
    model = read_python_model(path, server)
    if model is None or not model.found:
        return None
    if COMPLETES in model.attributes:
        return True
    return None if model.bases or model.sets_completion else False


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
