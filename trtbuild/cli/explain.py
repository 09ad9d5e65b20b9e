"""`trtbuild explain CODE`: what a rule of `trtbuild repo validate` is about."""

from __future__ import annotations

from typing import Annotated

import typer

from trtbuild.cli import say
from trtbuild.errors import UsageError


def command(
    rule: Annotated[str | None, typer.Argument(help="A rule's code or name: E012.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="List every rule.")] = False,
) -> None:
    """Explain a rule: what, why, an example, what to write instead, and where it comes from."""
    from trtbuild.validate.explain import listing, page, rule_of

    if (rule is None) != all_:
        raise UsageError("give a rule's code or name, or --all", "trtbuild explain L001")
    say.document(page(rule_of(rule)) if rule else listing())
