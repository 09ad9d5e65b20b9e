"""What a file is, told from its bytes, never from its name. No framework, constant memory."""

from __future__ import annotations

import mmap
import zipfile
from pathlib import Path
from typing import NamedTuple

from trtbuild.errors import SourceError
from trtbuild.foreign import open_file
from trtbuild.protowire import LENGTH, VARINT, Buffer, Field, WireError, fields

_PICKLE_ADVICE = (
    "it is not unpickled, because that runs whatever code is in it: write a function that makes "
    "the module and loads its weights with torch.load(path, weights_only=True), and give it as "
    "file.py:function"
)
_OWN_WEIGHTS_ADVICE = "give a function that makes the module and loads them: file.py:function"
_AGAIN = "copy or download it again"


class Found(NamedTuple):
    """What a file is. `kind` is a key of SOURCES, or "" where it cannot be converted."""

    kind: str
    what: str  # "an ONNX file": goes into messages
    advice: str = ""  # the next step where it cannot be converted


# (offset, bytes there, what it is). Sources: the formats' own specifications.
_MAGIC = (
    (0, b"\x89HDF\r\n\x1a\n", Found("keras", "a Keras HDF5 file")),
    (4, b"TFL3", Found("", "a TensorFlow Lite file", "convert the model it was made from")),
    (0, b"ftrt", Found("", "a TensorRT plan", "it is built already: `trtbuild inspect` shows it")),
    (
        0,
        b"vtrt",
        Found("", "a TensorRT-RTX plan", "it is built already: `trtbuild inspect` shows it"),
    ),
    (0, b"GGUF", Found("", "a GGUF file, which holds weights only", _OWN_WEIGHTS_ADVICE)),
    (8, b'{"', Found("", "a safetensors file, which holds weights only", _OWN_WEIGHTS_ADVICE)),
    (0, b"\x1f\x8b", Found("", "a gzip archive", "unpack it and give what is inside")),
    (257, b"ustar", Found("", "a tar archive", "unpack it and give what is inside")),
    (0, b"\x93NUMPY", Found("", "a NumPy array", "give the model that it belongs to")),
)
_HEAD_BYTES = 512
_PICKLE_PROTOCOLS = range(2, 6)


def sniff(path: Path) -> Found:
    """What the file at `path` is. Raises `SourceError` when it is empty or was cut off."""
    if not path.stat().st_size:
        raise SourceError(f"'{path}' is empty (0 bytes)", _AGAIN)
    with open_file(path) as file:
        head = file.read(_HEAD_BYTES)
        for offset, magic, found in _MAGIC:
            if head[offset:].startswith(magic):
                return found
        if head.startswith(b"PK\x03\x04"):
            return _zip(path)
        if head[0] == 0x80 and head[1:2] and head[1] in _PICKLE_PROTOCOLS:
            return Found("", "a pickle of Python objects (old PyTorch format)", _PICKLE_ADVICE)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
            return _protobuf(path, buffer)


def _zip(path: Path) -> Found:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        raise SourceError(
            f"'{path}' was cut off: it begins as a zip file (.keras, .pt, .pt2), but its "
            "directory, which comes last, is missing",
            _AGAIN,
        ) from None
    return _zip_of(set(names))


def _zip_of(names: set[str]) -> Found:
    """By the members that tell: PyTorch puts most of its own under one folder of any name."""
    inner = {name.partition("/")[2] for name in names}
    if {"config.json", "metadata.json"} <= names:
        return Found("keras", "a Keras file")
    if "serialized_exported_program.json" in names | inner:  # PyTorch 2.1 to 2.7
        return Found("exported", "a PyTorch ExportedProgram")
    if "archive_format" in inner:  # PyTorch 2.8 and later
        if any(name.startswith("models/") and name.endswith(".json") for name in inner):
            return Found("exported", "a PyTorch ExportedProgram")
        return Found(
            "",
            "a PyTorch package of compiled code (AOTInductor)",
            "give the ExportedProgram it was compiled from: torch.export.save(program, 'x.pt2')",
        )
    if "constants.pkl" in inner and any(name.startswith("code/") for name in inner):
        return Found("torchscript", "a TorchScript file")
    if any(name.rpartition("/")[2] in ("data.pkl", ".data/python_version") for name in names):
        return Found(
            "",
            "a PyTorch file of pickled objects (a state dict or a whole nn.Module)",
            _PICKLE_ADVICE,
        )
    if any(name.endswith("saved_model.pb") for name in names):
        return Found("", "a zip archive of a SavedModel", "unpack it and give the folder")
    return Found("", "a zip archive without a model that trtbuild knows")


def _protobuf(path: Path, buffer: Buffer) -> Found:
    """ONNX and GraphDef have no magic number; their first fields tell them apart.

    onnx.proto: field 1 of ModelProto is the number ir_version, 7 the graph. graph.proto: field 1
    of GraphDef is a node. saved_model.proto: the number 1 and meta graphs in field 2.
    """
    seen: list[Field] = []
    problem = ""
    try:
        for field in fields(buffer):
            seen.append(field)
    except WireError as error:
        problem = str(error)
    found = _message_of(buffer, seen, whole=not problem)
    if found is None:
        begins = buffer[:4].hex(" ")
        return Found("", f"no model file that trtbuild knows (it begins with {begins})")
    if problem:
        raise SourceError(f"'{path}' was cut off: it begins as {found.what}, but {problem}", _AGAIN)
    return found


_NEWEST_IR_VERSION = 64  # onnx is at 13; anything far beyond is no ONNX file


def _message_of(buffer: Buffer, seen: list[Field], *, whole: bool) -> Found | None:
    if not seen:
        return None
    numbers = {field.number for field in seen}
    first = seen[0]
    if first.number == 1 and first.wire == LENGTH and _is_node(buffer, first):
        return Found("graphdef", "a TensorFlow GraphDef")
    versions = [f.value for f in seen if f.number == 1 and f.wire == VARINT]
    if 7 in numbers or (versions and not whole):
        known = not versions or 0 < versions[0] <= _NEWEST_IR_VERSION
        return Found("onnx", "an ONNX file") if known else None
    if versions == [1] and numbers == {1, 2}:
        return Found(
            "",
            "the saved_model.pb of a SavedModel, alone",
            "give the folder it came from, with its variables",
        )
    return None


def _is_node(buffer: Buffer, field: Field) -> bool:
    """A NodeDef begins with its name (1) and its op (2), as text."""
    try:
        inner = list(fields(buffer, field.start, field.end))
    except WireError:
        return False
    return [f.number for f in inner[:2]] == [1, 2] and all(f.wire == LENGTH for f in inner[:2])
