"""`trtbuild repo graph`."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.validate.files import files_of, write
from tests.validate.test_positive import ENSEMBLE
from trtbuild.cli import graph
from trtbuild.errors import UsageError

app = typer.Typer()
app.command()(graph.command)


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    write(tmp_path, files_of(ENSEMBLE))
    return tmp_path


def test_shows_every_ensemble(repository: Path) -> None:
    assert run(repository).startswith("pipeline: RAW -> SCORES\n")
    assert run(repository, "pipeline") == run(repository) == run(repository / "pipeline")


def test_formats(repository: Path) -> None:
    assert run(repository, "--format", "mermaid").startswith("flowchart LR\n")
    assert run(repository, "--format", "dot").startswith("digraph")
    with pytest.raises(UsageError, match="--format 'png' is none of text, mermaid, dot, svg"):
        run(repository, "--format", "png")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_svg(repository: Path) -> None:
    shown = run(repository, "--format", "svg")
    assert "</svg>" in shown
    assert ">classify</text>" in shown


def test_a_model_that_is_no_ensemble(repository: Path) -> None:
    with pytest.raises(UsageError, match=r"'decode' is no ensemble .* there are: pipeline"):
        run(repository, "decode")
    (repository / "pipeline/config.pbtxt").unlink()
    with pytest.raises(UsageError, match=r"'decode' is no ensemble .*; there is none$"):
        run(repository, "decode")
