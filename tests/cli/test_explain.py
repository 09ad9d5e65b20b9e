"""`trtbuild explain`."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from trtbuild.cli import explain
from trtbuild.errors import UsageError
from trtbuild.validate.codes import RULES

app = typer.Typer()
app.command()(explain.command)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if result.exception is not None:
        raise result.exception
    return result.stdout


def test_one_rule() -> None:
    assert run("E012").startswith("E012 step-version (error)\n")


def test_all_rules() -> None:
    assert len(run("--all").splitlines()) == len(RULES)


@pytest.mark.parametrize("arguments", [(), ("E012", "--all")])
def test_one_of_the_two_is_given(arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="give a rule's code or name, or --all"):
        run(*arguments)


def test_an_unknown_rule() -> None:
    with pytest.raises(UsageError, match="no rule is called 'E999'"):
        run("E999")
    with pytest.raises(UsageError, match=r"near it are .*E012"):
        run("e12")
    with pytest.raises(UsageError, match="near it are step-version"):
        run("step-versions")
