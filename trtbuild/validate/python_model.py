"""What a Python backend's `model.py` says of itself, by its syntax tree: it is never run."""

from __future__ import annotations

import ast
import functools
import warnings
from pathlib import Path
from typing import NamedTuple

from trtbuild.validate.bounded import content_of

CLASS = "TritonPythonModel"
_MAX_BYTES = 4 << 20  # the largest file that is parsed; hand-written ones have some kilobytes


class PythonModel(NamedTuple):
    """The class of a `model.py`, or why there is none."""

    problem: str  # "" where the file was read
    line: int  # of the problem, or of the class
    found: bool  # the class is there
    named: bool  # something of that name is there: imported or assigned, so not looked into
    methods: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]
    bases: bool  # it has base classes, whose methods are not seen
    column: int = 0  # of the problem, 1-based; 0: unknown
    text: str = ""  # the line of the problem


@functools.lru_cache(maxsize=64)
def _read(path: Path, _stamp: tuple[int, int]) -> PythonModel | None:
    source = content_of(path, _MAX_BYTES)
    if source is None:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's code: not ours to print
            tree = ast.parse(source)
    except SyntaxError as error:
        return _unparsed(error)
    except (ValueError, RecursionError, MemoryError) as error:
        return PythonModel(str(error) or type(error).__name__, 0, False, False, {}, False)
    return _of_tree(tree)


def _unparsed(error: SyntaxError) -> PythonModel:
    problem, line = error.msg or "invalid syntax", error.lineno or 0
    text = (error.text or "").rstrip("\r\n")
    return PythonModel(problem, line, False, False, {}, False, max(0, error.offset or 0), text)


def _of_tree(tree: ast.Module) -> PythonModel:
    named = False
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == CLASS:
            methods = {
                item.name: item
                for item in node.body
                if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
            }
            return PythonModel("", node.lineno, True, True, methods, bool(node.bases))
        if isinstance(node, ast.ImportFrom | ast.Import):
            named |= any((a.asname or a.name) in (CLASS, "*") for a in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            named |= node.id == CLASS
    return PythonModel("", 0, False, named, {}, False)


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
        not model.found or "auto_complete_config" in model.methods or model.bases
    )
