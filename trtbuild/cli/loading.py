"""Options of the commands that load a plan: its plugins, and whether the code in it may run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugins",
        metavar="FILE",
        help="tensorrt: a library (.so) or Python file (.py) with the plugins that it needs, whose "
        "code is run. Repeatable.",
    ),
]
RunsCode = Annotated[
    bool,
    typer.Option(
        "--version-compatible",
        help="Load version-compatible plans, which run code that is in them: trust them first.",
    ),
]
