"""Files that a load request brings along: a model's directory of their own, as long as it is used.

Rules L26 and L27 of Triton's LocalizeRepoAgent (core/src/model_repository_manager.cc).

Whoever may load may bring data: models that ONNX Runtime computes with its own kernels, labels,
warm-up samples. Code is let in by the server's owner only (`--allow-model-overrides`). The wall is
the backend, whatever the files are; that files which are programs are refused by name comes first.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from trtbuild.errors import ForeignNameError
from trtbuild.foreign import path_inside
from trtserve.errors import Kind, ServeError, invalid

# The backends for which a model's files are data. A plan has kernels as machine code inside, which
# TensorRT runs unchecked; a Python model is a program.
_OF_DATA = frozenset({"onnxruntime"})
_CODE_NAMES = {
    ".py": "Python", ".pyc": "Python", ".pyd": "a library", ".so": "a library",
    ".dll": "a library", ".dylib": "a library", ".exe": "a program", ".sh": "a script",
    ".plan": "a TensorRT plan", ".engine": "a TensorRT plan",
}  # fmt: skip
# How files begin that an operating system runs or loads: ELF, Windows, macOS (both byte orders,
# both widths, and several in one), scripts.
_CODE_STARTS = {
    b"\x7fELF": "a library or a program", b"MZ": "a library or a program", b"#!": "a script",
    b"ftrt": "a TensorRT plan", b"vtrt": "a TensorRT plan",
    **dict.fromkeys(
        (b"\xfe\xed\xfa\xce", b"\xfe\xed\xfa\xcf", b"\xce\xfa\xed\xfe", b"\xcf\xfa\xed\xfe",
         b"\xca\xfe\xba\xbe"),
        "a library or a program",
    ),
}  # fmt: skip


class Override:
    """A temporary model directory; `close` removes it."""

    def __init__(
        self, name: str, files: Mapping[PurePosixPath, bytes], may_be_code: bool = False
    ) -> None:
        """Write `files`, paths below the directory of model `name`. Blocks.

        Raises `ServeError` for files that cannot be beside each other, and for code unless that
        may be.
        """
        self._name, self._may_be_code = name, may_be_code
        if not may_be_code:
            for path, content in files.items():
                _refuse_code(name, path, content)
        self._folder = tempfile.TemporaryDirectory(prefix="trtserve-", ignore_cleanup_errors=True)
        # Named as the model: what is read of it is what a repository would hold.
        try:
            self.directory = path_inside(Path(self._folder.name), name, plain=True)
            self.directory.mkdir()
            for path, content in files.items():
                target = path_inside(self.directory, str(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        except (OSError, ForeignNameError) as error:
            self.close()
            why = error.message if isinstance(error, ForeignNameError) else error.strerror
            raise invalid(
                f"the files given for model '{name}' cannot be written: {why}; each "
                "'file:' needs a path of its own, such as file:1/model.onnx"
            ) from None

    def require(self, backend: str) -> None:
        """Raise `ServeError` where files run by `backend` are code, and may not be."""
        if not self._may_be_code and backend not in _OF_DATA:
            raise _code(self._name, f"backend '{backend}' runs them")

    def close(self) -> None:
        """Remove the directory and all in it. Blocks."""
        self._folder.cleanup()


def _refuse_code(name: str, path: PurePosixPath, content: bytes) -> None:
    for suffix in path.suffixes:  # libx.so.1
        if suffix.lower() in _CODE_NAMES:
            raise _code(name, f"'{path}' is {_CODE_NAMES[suffix.lower()]}")
    for start, what in _CODE_STARTS.items():
        if content.startswith(start):
            raise _code(name, f"'{path}' begins like {what}")


def _code(name: str, why: str) -> ServeError:
    return ServeError(
        Kind.FORBIDDEN,
        f"the files given for model '{name}' are code: {why}; where whoever can call load may run "
        "code in this server, start it with --allow-model-overrides",
    )
