"""`trtbuild verify`: the plans of a version against its model.onnx. Exit 1 where they are apart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trtbuild.cli import say
from trtbuild.cli.loading import Plugins, RunsCode


def command(  # noqa: PLR0917 - Typer makes options of parameters
    model: Annotated[Path, typer.Argument(help="One model of a repository.", metavar="REPO/MODEL")],
    version: Annotated[
        int | None, typer.Option(min=1, help="This version; default: the latest.")
    ] = None,
    rtol: Annotated[
        float | None, typer.Option(min=0, help="Default: as it was converted with.")
    ] = None,
    atol: Annotated[
        float | None, typer.Option(min=0, help="Default: as it was converted with.")
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(metavar="FILE.py:FUNCTION", help="Instead of model.onnx: as for convert."),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(metavar="FILE.npz", help="Instead of model.onnx: as for convert."),
    ] = None,
    plugins: Plugins = None,
    version_compatible: RunsCode = False,
    json: Annotated[bool, typer.Option("--json", help="The figures as JSON on stdout.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compare plans that were built elsewhere with their model.onnx, on this machine's GPU."""
    from trtbuild.cli import render
    from trtbuild.verification import verify
    from trtbuild.verify.report import gate

    with render.progress(quiet=quiet) as on_progress:
        found = verify(
            model,
            version,
            rtol=rtol,
            atol=atol,
            reference=reference,
            samples=samples,
            plugins=tuple(plugins or ()),
            runs_code=version_compatible,
            on_progress=on_progress,
        )
    if json:
        render.json(found)
    elif found.report.passed:
        with_runtime = f"with {found.runtime} {found.runtime_version}"
        say.line(f"{found.directory}, version {found.version}, {with_runtime}")
        render.accuracy(found.report)
    gate(found.report)
