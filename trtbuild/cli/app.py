"""The command line: parse, call one function, print, return an exit code.

Exit codes: 0 fine; 1 findings, or an error the user can act on; 2 misuse of the command line;
3 our bug; 4 some targets failed; 130 ctrl-C; 143 SIGTERM.
"""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from trtbuild.cli import (
    bench,
    cache,
    check,
    convert,
    debug,
    doctor,
    explain,
    inspect,
    refit,
    repo,
    say,
    serve,
    tritonserver,
    verify,
)
from trtbuild.cli.errors import exit_code_of

app = typer.Typer(
    name="trtbuild",
    help="A trained model in, a Triton model repository with a TensorRT plan for every GPU out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("convert")(convert.command)
app.command("check")(check.command)
app.command("inspect")(inspect.command)
app.command("refit")(refit.command)
app.command("verify")(verify.command)
app.command("bench")(bench.command)
app.command("debug")(debug.command)
app.command("doctor")(doctor.command)
app.command("serve", cls=tritonserver.ServeCommand)(serve.command)
app.command("explain")(explain.command)
app.add_typer(repo.app, name="repo")
app.add_typer(cache.app, name="cache")


def _version(value: bool) -> None:
    if value:
        from trtbuild import __version__

        say.line(f"trtbuild {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version and leave."
    ),
) -> None:
    """Options before the command."""


_interrupts: list[int] = []  # the exit codes that signals asked for


def _on_signal(number: int, _frame: FrameType | None) -> NoReturn:
    """Unwind the stack, so that workers end and nothing is half-written."""
    say.line("interrupted", err=True)  # also with --quiet
    _interrupts.append(128 + number)
    raise SystemExit(_interrupts[0])


def main() -> NoReturn:
    """The console script `trtbuild`."""
    signal.signal(signal.SIGTERM, _on_signal)
    signal.signal(signal.SIGINT, _on_signal)
    try:
        code = app(standalone_mode=True)
    except Exception as error:
        # What goes wrong from then on is the signal's doing: where it arrived in the midst of an
        # import, Python before 3.12 says RuntimeError instead (of `__set_name__`).
        code = _interrupts[0] if _interrupts else exit_code_of(error)
    sys.exit(code)
