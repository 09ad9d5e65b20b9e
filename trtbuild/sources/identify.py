"""What the user's SOURCE is: its kind, a name for it, a digest. No framework is imported.

The kind is decided from what is really there, so `--kind` is needed only to be told when
something else lies there.
"""

from __future__ import annotations

import ast
import hashlib
import mmap
import re
from pathlib import Path

from trtbuild.artifacts import SourceRef, digest_of_files
from trtbuild.errors import SourceError, UsageError
from trtbuild.onnx_files import external_files
from trtbuild.protowire import WireError
from trtbuild.sources import NETWORK, SOURCES
from trtbuild.sources.naming import name_from_location
from trtbuild.sources.sniff import Found, sniff
from trtbuild.users_code import split_factory

_KINDS_HINT = (
    "it reads ONNX files, SavedModel folders, frozen GraphDefs, Keras .keras and .h5 files, "
    "TorchScript .pt, ExportedProgram .pt2, and code: file.py:function"
)
_CONFIG = "config.pbtxt"
_REPOSITORY_HINT = (
    "`trtbuild repo show` shows what is in it, `trtbuild repo validate` judges it; "
    "give the model that it was made from, or a file in it"
)
_FACTORY = Found("torch", "code that makes a PyTorch module")
_DEFINITION = Found(NETWORK, "code that defines a TensorRT network")
_SAVED_MODEL = Found("savedmodel", "a TensorFlow SavedModel")
_PROTOBUF_LIMIT_BYTES = 2**31 - 1  # of one message: protobuf.dev, "Protocol Buffers Limits"


def identify(location: str, kind: str = "auto") -> SourceRef:
    """The model at `location`: a path, `file.py:function` or `package.module:function`.

    Raises `SourceError` when it is missing, damaged, of no known kind or not of the `kind` given;
    `UsageError` for a kind nobody knows.
    """
    kinds = (*SOURCES, NETWORK)
    if kind not in ("auto", *kinds):
        raise UsageError(f"no kind is called '{kind}'; there are auto, {', '.join(kinds)}")
    path = _path(location)
    try:
        found = _found(location, path)
    except OSError as error:
        raise SourceError(f"cannot read '{error.filename}': {error.strerror}") from None
    if found is _FACTORY and kind == NETWORK:
        found = _DEFINITION  # nothing in code tells them apart: the user says it
    if kind not in ("auto", found.kind):
        raise SourceError(
            f"--kind {kind} was given, but '{location}' is {found.what}",
            f"give --kind {found.kind}, or leave --kind out" if found.kind else found.advice,
        )
    if not found.kind:
        raise SourceError(f"'{location}' is {found.what}", found.advice or _KINDS_HINT)
    where = location if found in (_FACTORY, _DEFINITION) else str(path)
    return SourceRef(found.kind, where, name_from_location(where), _digest(found.kind, path))


def _path(location: str) -> Path:
    path = Path(location)
    return path.parent if path.name in ("saved_model.pb", "saved_model.pbtxt") else path


def _found(location: str, path: Path) -> Found:
    file, factory = split_factory(location)
    if factory:
        if file.endswith(".py") and not Path(file).is_file():
            raise SourceError(f"no such file: '{file}', of '{location}'")
        return _FACTORY
    if not Path(location).exists():
        raise SourceError(
            f"no such file or folder: '{location}'", "a model is a path or code: file.py:function"
        )
    if path.is_dir():
        return _folder(path)
    if path.name == _CONFIG:
        return Found("", "a config of a Triton model repository", _REPOSITORY_HINT)
    if path.suffix == ".py":
        return Found("", "Python code", _name_a_function(path))
    return _file(path)


def _folder(path: Path) -> Found:
    present = sorted(child.name for child in path.iterdir())
    if "saved_model.pb" in present:
        _check_variables(path)
        return _SAVED_MODEL
    if "saved_model.pbtxt" in present:
        return _SAVED_MODEL
    if not present:
        return Found("", "an empty folder")
    if _CONFIG in present or any((path / name / _CONFIG).exists() for name in present):
        return Found("", "a folder of a Triton model repository", _REPOSITORY_HINT)
    shown = ", ".join(present[:5]) + (", ..." if len(present) > 5 else "")
    return Found("", f"a folder without a saved_model.pb; in it are {shown}")


_VARIABLE_OP = re.compile(rb"VarHandleOp|VariableV2")
_SHARD = re.compile(r"variables\.data-\d+-of-(\d+)")


def _check_variables(path: Path) -> None:
    """A graph with variables needs their values, which lie in files of their own."""
    graph = path / "saved_model.pb"
    if not graph.stat().st_size:
        raise SourceError(f"'{graph}' is empty (0 bytes)", "copy or download it again")
    with graph.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if not _VARIABLE_OP.search(data):
            return
    folder = path / "variables"
    present = {child.name for child in folder.iterdir()} if folder.is_dir() else set()
    shards = [match[1] for name in sorted(present) if (match := _SHARD.fullmatch(name))]
    count = shards[0] if shards else "00001"
    wanted = [f"variables.data-{index:05}-of-{count}" for index in range(int(count))]
    missing = [name for name in ("variables.index", *wanted) if name not in present]
    if missing:
        raise SourceError(
            f"the SavedModel '{path}' is without its variables: no variables/{missing[0]}",
            "copy the whole folder, with 'variables' in it",
        )


def _file(path: Path) -> Found:
    found = sniff(path)
    if found.kind == "onnx" and (size := path.stat().st_size) > _PROTOBUF_LIMIT_BYTES:
        raise SourceError(
            f"the ONNX file '{path}' has {size / 2**30:.1f} GB in one piece, and protobuf takes "
            "2 GB at most, so nothing can read it",
            "export it with its weights beside it: torch.onnx.export(..., external_data=True) or "
            "onnx.save(model, path, save_as_external_data=True)",
        )
    return found


def _name_a_function(path: Path) -> str:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return f"say which function makes the model: {path}:FUNCTION"
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    listed = f"; there are {', '.join(names)}" if names else ""
    return f"say which function makes the model: {path}:FUNCTION{listed}"


def _digest(kind: str, path: Path) -> str | None:
    """SHA-256 of the one file; of a `sha256sum` list where the model is several files."""
    if kind in ("torch", NETWORK):
        return None
    if kind == "savedmodel":
        return _digest_of_list(path, sorted(p for p in path.rglob("*") if p.is_file()))
    if kind == "onnx":
        try:
            others = external_files(path)
        except WireError as error:
            raise SourceError(
                f"the ONNX file '{path}' is damaged: {error}", "copy or download it again"
            ) from None
        if others:
            return _digest_of_list(path.parent, [path, *others])
    return digest_of_files(path)


def _digest_of_list(folder: Path, files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        name = file.relative_to(folder).as_posix()
        digest.update(f"{digest_of_files(file)}  {name}\n".encode())
    return digest.hexdigest()
