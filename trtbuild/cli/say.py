"""What the command line prints: every word of it passes here, and so through `printable`."""

from __future__ import annotations

import typer

from trtbuild import printable


def line(text: object = "", *, err: bool = False) -> None:
    """One line; what ends lines in foreign text is escaped."""
    typer.echo(printable.line(str(text)), err=err)


def lines(text: str, *, err: bool = False) -> None:
    """Several lines of ours; foreign words in them were made `printable.printable` before."""
    for each in text.split("\n"):
        line(each, err=err)


def error(message: str, hint: str = "") -> None:
    """A message of `TrtbuildError`'s kind, to stderr."""
    typer.secho(printable.block(f"error: {message}"), fg="red", err=True)
    if hint:
        typer.echo(printable.block(f"  hint: {hint}"), err=True)


def bug(what: str, log: object) -> None:
    """What went wrong by our own fault, to stderr."""
    typer.secho(printable.line(f"bug in trtbuild: {what}"), fg="red", err=True)
    typer.echo(printable.line(f"  hint: please report it with the log {log}"), err=True)


def document(text: str) -> None:
    """A whole document that its writer has made printable, in its own syntax."""
    typer.echo(text, nl=False)


def json(text: bytes) -> None:
    """A JSON text."""
    typer.echo(printable.json_text(text.decode()))
