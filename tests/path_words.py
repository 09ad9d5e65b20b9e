"""Every place in a syntax tree where a word becomes a path, or a part of one.

A word is any text that is not written there itself: a literal, or a constant in capitals. What is
looked for, so that nothing goes round the gate (`trtbuild/foreign.py`) unseen:

- `path / word`, `joinpath(word)`, `with_name(word)`, `with_stem(word)`, `glob(word)`: joined;
- `Path(word)` and its kin: made a path as it is;
- `f"{one}/{other}"`, `one + "/" + other`, `"/".join(words)`, `"%s/%s" % words`: joined as text;
- `open(word)`, `os.stat(word)`, `shutil.copy(word, ...)`, `np.load(word)` and their kin: opened as
  it is. Methods of a `Path` are none: it was made before, in one of these ways;
- another name for any of these: `import pathlib`, `from os import path`, `Path as P`,
  `operator.truediv`, `__truediv__`, `getattr(os, ...)`; a folder to be relative to: `os.chdir`,
  `dir_fd=`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

_CAPITALS = re.compile(r"_*[A-Z][A-Z0-9_]*")
_PATHS = re.compile(r"(pathlib\.)?(Pure)?(Posix|Windows)?Path")
_JOINING = {"joinpath", "with_name", "with_stem", "with_segments", "glob", "rglob"}
_OF_OS = {
    "access", "chmod", "chown", "execv", "execve", "getxattr", "lchown", "link", "listdir", "lstat",
    "makedirs", "mkdir", "mkfifo", "mknod", "open", "pathconf", "readlink", "remove", "removedirs",
    "rename", "renames", "replace", "rmdir", "scandir", "setxattr", "stat", "statvfs", "symlink",
    "truncate", "unlink", "utime", "walk", "fwalk",
}  # fmt: skip
_OPENING = {
    "open", "io.open", "codecs.open", "os.path.join", "os.path.normpath", "os.path.abspath",
    "os.path.expanduser", "os.path.exists", "os.path.isfile", "os.path.isdir", "np.load",
    "np.memmap", "np.fromfile", "np.loadtxt", "np.save", "np.savez", "onnx.load", "onnx.save",
    "tarfile.open", "zipfile.ZipFile", "sqlite3.connect", "ctypes.CDLL", "CDLL",
    "runpy.run_path", *(f"os.{name}" for name in _OF_OS),
}  # fmt: skip
_OTHER_WAYS = {"os.chdir", "os.fchdir", "os.chroot"}
_DIVIDING = {"truediv", "itruediv", "__truediv__", "__rtruediv__", "__itruediv__"}
_FOLDER_ARGUMENTS = {"dir_fd", "src_dir_fd", "dst_dir_fd"}
_MODULES_OF_PATHS = {"os", "os.path", "posixpath", "shutil"}  # nothing is imported out of them


def words_made_paths(source: str) -> Iterator[str]:
    """Each such place of a module, as Python writes it."""
    for node in ast.walk(ast.parse(source)):
        if _joins(node) or _makes(node) or _joins_text(node) or _renames(node):
            yield ast.unparse(node)


def same(text: str) -> str:
    """What is the same for two ways to write the same: releases of Python quote differently."""
    return ast.dump(ast.parse(text))


def _ours(node: ast.AST) -> bool:
    """Whether a part is written there itself; a number counts, which is no path."""
    if isinstance(node, ast.Name | ast.Attribute):
        name = node.id if isinstance(node, ast.Name) else node.attr
        return bool(_CAPITALS.fullmatch(name))
    if isinstance(node, ast.JoinedStr):
        return all(map(_ours, node.values))
    if isinstance(node, ast.FormattedValue | ast.Starred):
        return _ours(node.value)
    return isinstance(node, ast.Constant)


def _computes(node: ast.AST) -> bool:
    """Whether a side of `/` is a number for certain: a path is no product, and no number."""
    if isinstance(node, ast.Constant):
        return not isinstance(node.value, str)
    arithmetic = (ast.Sub, ast.Mult, ast.Pow, ast.FloorDiv, ast.MatMult)
    return isinstance(node, ast.UnaryOp) or (
        isinstance(node, ast.BinOp) and isinstance(node.op, arithmetic)
    )


def _name(node: ast.AST) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _joins(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
        left, right = (
            (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
        )
        return not (_ours(right) or _computes(left) or _computes(right))
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr in _JOINING and not all(map(_ours, node.args))


def _makes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    name = _name(node.func)
    if any(keyword.arg in _FOLDER_ARGUMENTS for keyword in node.keywords):
        return True
    if _PATHS.fullmatch(name):
        return not all(map(_ours, node.args))
    opens = name in _OPENING or name.startswith("shutil.")
    given = [*node.args, *(k.value for k in node.keywords if k.arg in ("file", "path", "name"))]
    return opens and not all(map(_ours, given[:2] if name.startswith("shutil.") else given[:1]))


def _joins_text(node: ast.AST) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(
            isinstance(before, ast.Constant)
            and str(before.value).endswith("/")
            and not _ours(after)
            for before, after in zip(node.values, node.values[1:], strict=False)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
        sides = (node.left, node.right)
        return any(map(_has_slash, sides)) and not all(map(_ours, sides))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        text = node.func.value
        return node.func.attr in ("join", "format") and (
            _has_slash(text) or _name(text) == "os.sep"
        )
    return False


def _has_slash(node: ast.AST) -> bool:
    """Text that ends or begins with a slash, or has one between two places to be filled."""
    if _name(node) == "os.sep":
        return True
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return False
    return bool(re.search(r"^/|/$|[}sr]/[{%]", node.value))


def _renames(node: ast.AST) -> bool:
    if isinstance(node, ast.Import):
        hidden = any(alias.name in ("pathlib", "os.path", "posixpath") for alias in node.names)
        return hidden or any(a.asname and a.name in _MODULES_OF_PATHS for a in node.names)
    if isinstance(node, ast.ImportFrom):
        renamed = node.module == "pathlib" and any(alias.asname for alias in node.names)
        divides = any(alias.name in _DIVIDING for alias in node.names)
        return renamed or divides or node.module in _MODULES_OF_PATHS
    if isinstance(node, ast.Call) and _name(node.func) == "getattr":
        return _name(node.args[0]) in {*_MODULES_OF_PATHS, "pathlib", "operator"}
    if isinstance(node, ast.Attribute):
        return node.attr in _DIVIDING or ast.unparse(node) in _OTHER_WAYS
    return False
