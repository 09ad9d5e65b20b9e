"""`trtbuild repo graph`: the ensembles of a repository as text, Mermaid, DOT or SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trtbuild.errors import UsageError


def command(
    path: Annotated[Path, typer.Argument(help="A repository, or an ensemble in it.")],
    model: Annotated[str | None, typer.Argument(help="One ensemble; all when left out.")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="text, mermaid, dot, or svg (needs Graphviz).")
    ] = "text",
) -> None:
    """Show how the steps of ensembles hang together."""
    from trtbuild.validate.graph import FORMATS, render
    from trtbuild.validate.targets import ensembles_of

    if format_ not in FORMATS:
        raise UsageError(f"--format '{format_}' is none of {', '.join(FORMATS)}")
    typer.echo(render(ensembles_of(path, model), format_), nl=False)
