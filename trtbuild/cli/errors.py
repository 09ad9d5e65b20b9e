"""What the user sees of an exception, and the exit code it ends in."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from trtbuild import __version__
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
        typer.secho(f"error: {error.message}", fg="red", err=True)
        if error.hint:
            typer.echo(f"  hint: {error.hint}", err=True)
        return error.exit_code
    log = _write_log(error)
    typer.secho(
        f"bug in trtbuild: {type(error).__name__}: {_first_line(error)}", fg="red", err=True
    )
    typer.echo(f"  hint: please report it with the log {log}", err=True)
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
