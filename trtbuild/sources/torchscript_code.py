"""A TorchScript archive's code, looked through before PyTorch loads it: loading already runs it.

The code is text that PyTorch compiles when an object or a call needs it, `__setstate__` while the
file is read. The text may hide an op behind another name (`f = torch.save`, `getattr`), and its
lexer is not Python's, so nothing is parsed: wherever a word that means a file, another process or
a foreign library could be reached through a dot or a text, it is refused. The archive is read by
PyTorch's own reader, which sees what the loader will see.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import torch

from trtbuild.errors import SourceError, first_line
from trtbuild.sources.archives import check_unpacked
from trtbuild.sources.trust import TRUST_HINT

_MOST_CODE_BYTES = 64 << 20  # of one file of code; those of large models have some hundred KB
_SHOWN = 5
# Ops by namespace that compute and no more. Any other that PyTorch has registered is refused.
_COMPUTING = {
    "aten", "prim", "prims", "quantized", "_quantized", "quantization", "mkl", "mkldnn",
    "mkldnn_prepacked", "onednn", "sparse", "onnx", "cuda", "profiler", "rngprims", "debugprims",
    "export", "torchvision", "torchaudio",
}  # fmt: skip
# Ops of these namespaces that do more, and words that only the language has.
_MORE = {
    "save", "from_file", "PythonOp", "IgnoredPythonOp", "rpc_async", "rpc_sync",
    "rpc_remote", "to_here", "rpc", "load_library",
}  # fmt: skip
_BARE = {"rpc_async", "rpc_sync", "rpc_remote"}  # the language's own, which need no dot
# torch.classes.*: objects of C++, of which these hold packed weights.
_CLASSES = {b"quantized", b"rnn", b"sparse", b"xnnpack", b"mkldnn"}
_NAMES_A_FILE = re.compile(r"file|path", re.IGNORECASE)
_GAP = rb"(?:\s|\\|#[^\n]*)*"  # what may stand between a dot and a name
_AFTER_DOT = re.compile(rb"\." + _GAP + rb"([A-Za-z_]\w*)")
_WORD = re.compile(rb"[A-Za-z_]\w*")
_CLASS = re.compile(rb"\bclasses\b" + _GAP + rb"(?:\." + _GAP + rb"(\w*))?")
_CLASS_OF_TORCH = re.compile(rb"\btorch" + _GAP + rb"\." + _GAP + rb"classes\b")
_ESCAPE = re.compile(rb"\\([0-7]{1,3})")


class Found(NamedTuple):
    """What may reach outside, and in which line of which file of the archive."""

    word: str
    record: str
    line: int

    def __str__(self) -> str:
        return f"{self.word} ({self.record}, line {self.line})"


def refuse_code(location: str, what: str) -> None:
    """Raise `SourceError` where the archive at `location` could do more than compute."""
    check_unpacked(location, what)
    found = [each for name, text in _records(location, what) for each in _found_in(name, text)]
    if found:
        listed = ", ".join(str(each) for each in found[:_SHOWN])
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise SourceError(
            f"{what} has code that may reach outside the model, and nothing of it was run: "
            f"{listed}{more}",
            f"leave it out of the module; {TRUST_HINT}",
        )


def _records(location: str, what: str) -> Iterator[tuple[str, bytes]]:
    """Every file of code, and the pickles, which name classes. Those are not unpickled."""
    try:
        reader: Any = torch._C.PyTorchFileReader(location)
        names = list(reader.get_all_records())
        if len({name.lower() for name in names}) != len(names):  # the reader ignores case
            raise SourceError(
                f"{what} has two files of one name inside", "export it again with torch.jit.save"
            )
        for name in names:
            if name.lower().endswith((".py", ".pkl")):
                yield name, reader.get_record(name)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f"PyTorch {torch.__version__} cannot read {what}: {first_line(error)}",
            "copy or download it again",
        ) from error


def _found_in(record: str, text: bytes) -> Iterator[Found]:
    if record.lower().endswith(".pkl"):
        words = set(re.findall(rb"torch\.classes\.(\w+)", text)) - _CLASSES
        yield from (Found(f"torch.classes.{word.decode()}", record, 1) for word in sorted(words))
        return
    for word, at in _suspects(text):
        yield Found(word.decode(), record, text.count(b"\n", 0, at) + 1)


def _suspects(text: bytes) -> Iterator[tuple[bytes, int]]:
    refused = _refused()
    for match in _AFTER_DOT.finditer(text):
        if match[1] in refused:
            yield match[1], match.start()
    for match in _WORD.finditer(text):
        if match[0].decode() in _BARE:
            yield match[0], match.start()
    if _CLASS_OF_TORCH.search(text):
        for match in _CLASS.finditer(text):
            if match[1] not in _CLASSES:
                yield b"classes." + (match[1] or b""), match.start()
    if b"getattr" in text:
        yield from ((word, at) for word, at in _texts(text) if word in refused)


def _texts(text: bytes) -> Iterator[tuple[bytes, int]]:
    """What might be a text in quotes and a name: from each quote to the next one of its kind."""
    for match in re.finditer(rb"(?=([\"'])((?:\\.|[^\"'\\\n]){1,200})\1)", text):
        plain = _ESCAPE.sub(lambda octal: bytes([int(octal[1], 8) & 0xFF]), match[2])
        yield plain, match.start()


@cache
def _refused() -> frozenset[bytes]:
    """Names of ops that take a file's name, as PyTorch's registry describes them, of namespaces
    that do more than compute, and the words of `_MORE`.
    """
    names = set(_MORE)
    for schema in torch._C._jit_get_all_schemas():
        namespace, _, name = schema.name.partition("::")
        if namespace not in _COMPUTING:
            names.add(namespace)
        elif any(_names_file(argument) for argument in schema.arguments):
            names.add(name)
    return frozenset(name.encode() for name in names)


def _names_file(argument: Any) -> bool:
    return bool("str" in str(argument.type) and _NAMES_A_FILE.search(argument.name))
