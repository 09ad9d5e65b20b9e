"""`trtbuild cache ls|prune|clear`: the content-addressed store."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from trtbuild.cli import say
from trtbuild.errors import UsageError

if TYPE_CHECKING:
    from trtbuild.store import Entry

app = typer.Typer(help="The store of exported models and built plans.", no_args_is_help=True)


@app.command("ls")
def ls(json: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False) -> None:
    """List the entries, the one used longest ago first."""
    from trtbuild.cli import render
    from trtbuild.store import Store

    store = Store()
    entries = store.entries()
    if json:
        render.json({"root": store.root, "entries": [entry._asdict() for entry in entries]})
        return
    rows = [
        (entry.kind, entry.key[:12], render.size_text(entry.size_bytes), _when(entry.used))
        for entry in entries
    ]
    render.table(("KIND", "KEY", "SIZE", "USED"), rows, right=("SIZE",))
    say.line(_total(entries, f"in {store.root}"))


@app.command("prune")
def prune(
    keep: Annotated[str | None, typer.Option(help="Keep at most this much, such as 10GB.")] = None,
    days: Annotated[float | None, typer.Option(min=0, help="Keep what was used since.")] = None,
) -> None:
    """Drop what was used longest ago."""
    if keep is None and days is None:
        raise UsageError("nothing says what to keep", "give --keep 10GB or --days 30, or both")
    from trtbuild.cache_folder import bytes_from_text
    from trtbuild.store import Store

    keep_bytes = None if keep is None else bytes_from_text(keep)
    say.line(_total(Store().prune(keep_bytes, days), "dropped"))


@app.command("clear")
def clear() -> None:
    """Drop everything; it costs nothing but the time to build it again."""
    from trtbuild.store import Store

    say.line(_total(Store().clear(), "dropped"))


def _total(entries: list[Entry], what: str) -> str:
    from trtbuild.cli.render import size_text

    count = f"{len(entries)} {'entry' if len(entries) == 1 else 'entries'}"
    return f"{count}, {size_text(sum(entry.size_bytes for entry in entries))} {what}"


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")
