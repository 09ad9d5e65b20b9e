"""`trtbuild refit`: weights for plans that have none, or others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trtbuild.cli import say
from trtbuild.cli.loading import Plugins, RunsCode
from trtbuild.errors import UsageError


def command(  # noqa: PLR0917 - Typer makes options of parameters
    what: Annotated[
        Path, typer.Argument(metavar="REPO/MODEL|PLAN", help="A model's folder, or a plan file.")
    ],
    onnx: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where the weights are; default for a model: the model.onnx beside its plans.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="OUT", help="For a plan file: the plan to write.")
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="For a model: which version; default: the latest.")
    ] = None,
    plugins: Plugins = None,
    version_compatible: RunsCode = False,
    json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Give plans their weights: those of convert --strip-weights or --refittable."""
    from trtbuild.cli import render
    from trtbuild.refit import refit_model, refit_plan

    if not what.exists():
        raise UsageError(f"'{what}' does not exist", "give a plan file, or REPO/MODEL")
    if what.is_file():
        if onnx is None or output is None or version is not None:
            raise UsageError(
                f"'{what}' is a file: it needs --onnx and --output, and has no --version",
                f"trtbuild refit {what} --onnx FILE --output OUT",
            )
        with render.progress(quiet=quiet) as on_progress:
            done = refit_plan(
                what,
                onnx,
                output,
                on_progress,
                plugins=plugins or (),
                runs_code=version_compatible,
            )
    else:
        if output is not None:
            raise UsageError(
                "--output is for a plan file; a model's plans are written where they are",
                f"leave it out: trtbuild refit {what}",
            )
        with render.progress(quiet=quiet) as on_progress:
            done = refit_model(
                what,
                onnx,
                version,
                on_progress,
                plugins=plugins or (),
                runs_code=version_compatible,
            )
    if json:
        render.json(done)
        return
    for path in done.plans:
        say.line(f"wrote {path}")
    for file, why in done.left.items():
        say.line(f"left {file}: {why}")
