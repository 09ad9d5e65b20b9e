"""`trtbuild repo graph`: the ensembles of a repository as text, Mermaid, DOT or SVG."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trtbuild.cli import say
from trtbuild.errors import UsageError


def command(
    path: Annotated[Path, typer.Argument(help="A repository, or an ensemble in it.")],
    model: Annotated[str | None, typer.Argument(help="One ensemble; all when left out.")] = None,
    format_: Annotated[
        str, typer.Option("--format", help="text, mermaid, dot, or svg (needs Graphviz).")
    ] = "text",
) -> None:
    """Show how the steps of ensembles hang together; ends with 1 where a config is unreadable."""
    from trtbuild.validate.graph import FORMATS, render
    from trtbuild.validate.targets import ensembles_of

    if format_ not in FORMATS:
        raise UsageError(f"--format '{format_}' is none of {', '.join(FORMATS)}")
    models = ensembles_of(path, model)
    say.document(render(models, format_))
    left_out = [(model.name, model.problem) for model in models if model.problem is not None]
    for name, problem in left_out:
        why = f"'{name}' is left out, as its config cannot be read: {problem.message}"
        say.error(why)
    if left_out:
        raise typer.Exit(1)
