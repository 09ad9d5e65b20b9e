"""What the user sees of an exception, and the exit code it ends in."""

from __future__ import annotations

import sys
from pathlib import Path

from trtbuild import __version__
from trtbuild.cli import say
from trtbuild.errors import TrtbuildError

BUG = 3
_PACKAGES = (
    "onnx",
    "onnxruntime",
    "tensorrt",
    "tensorrt-rtx",
    "torch",
    "tensorflow-cpu",
    "tf2onnx",
)


def exit_code_of(error: Exception) -> int:
    """Print `error` to stderr: a message and hint, or for a bug of ours where its log lies."""
    if isinstance(error, TrtbuildError):
        say.error(error.message, error.hint)
        return error.exit_code
    log = _write_log(error)
    say.bug(f"{type(error).__name__}: {_first_line(error)}", log)
    return BUG


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def _write_log(error: Exception) -> Path:
    import platform
    import tempfile
    import traceback
    from importlib import metadata

    versions = [f"trtbuild {__version__}", f"python {sys.version}", platform.platform()]
    for package in _PACKAGES:
        try:
            versions.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{package} -")
    text = "\n".join([*versions, f"argv {sys.argv}", "", *traceback.format_exception(error)])
    with tempfile.NamedTemporaryFile(
        "w", prefix="trtbuild-bug-", suffix=".log", delete=False
    ) as log:
        log.write(text)
    return Path(log.name)
