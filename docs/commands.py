"""Write docs/commands.md from the command line itself: python docs/commands.py [--check].

With --check nothing is written; the exit code is 1 when the page is not what it would be.
"""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.models import ArgumentInfo

from trtbuild.cli.app import app

PAGE = Path(__file__).with_name("commands.md")
_HEAD = (
    "# Commands\n\nWritten by `python docs/commands.py` from the code; `make test` compares them.\n"
)


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(_section(path, f) for path, f in sorted(commands()))])


def commands(group: typer.Typer = app, path: str = "trtbuild") -> Iterator[tuple[str, Any]]:
    """Every command with the function behind it."""
    for command in group.registered_commands:
        yield f"{path} {command.name}", command.callback
    for child in group.registered_groups:
        assert child.typer_instance is not None
        yield from commands(child.typer_instance, f"{path} {child.name}")


def _section(path: str, function: Any) -> str:
    hints = typing.get_type_hints(function, include_extras=True)
    rows, arguments = [], []
    for name, parameter in inspect.signature(function).parameters.items():
        type_, info = typing.get_args(hints[name])
        if isinstance(info, ArgumentInfo):
            arguments.append(info.metavar or name.upper())
        rows.append(_row(name, type_, info, parameter.default))
    table = ["| | default | |", "|---|---|---|", *rows] if rows else []
    usage = f"    {' '.join([path, *arguments, '[OPTIONS]'])}"
    text = _plain((function.__doc__ or "").split("\n\n")[0])
    return "\n".join([f"## {path}", "", usage, "", text, "", *table, ""])


def _row(name: str, type_: Any, info: Any, default: Any) -> str:
    if isinstance(info, ArgumentInfo):
        flags = f"`{info.metavar or name.upper()}`"
    else:
        # In Annotated the first spelling stands where a default would be.
        given = (info.default, *(info.param_decls or ()))
        spellings = [spelling for spelling in given if isinstance(spelling, str)]
        if not spellings:
            word = name.replace("_", "-")
            spellings = [f"--{word}", *([f"--no-{word}"] if type_ is bool else [])]
        flags = ", ".join(f"`{spelling}`" for spelling in spellings)
    value = info.metavar or _choices(type_)
    required = default is inspect.Parameter.empty
    shown = "required" if required else "" if default in (None, False) else f"`{default}`"
    return f"| {flags} {_plain(value)} | {shown} | {_plain(info.help)} |".replace("  ", " ")


def _choices(type_: Any) -> str:
    """The words that a Literal takes; nothing for other types."""
    if typing.get_origin(type_) is typing.Literal:
        return " | ".join(typing.get_args(type_))
    return ""


def _plain(text: str | None) -> str:
    """Help as Markdown: rich's escaped bracket is a bracket; a bar would end the cell."""
    return " ".join((text or "").replace("\\[", "[").replace("|", "\\|").split())


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text() == page() else f"{PAGE} is stale: python docs/commands.py")
    PAGE.write_text(page())
