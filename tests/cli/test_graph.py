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


@pytest.mark.parametrize("whole", [True, False])
def test_an_ensemble_that_cannot_be_read_is_said(repository: Path, whole: bool) -> None:
    write(repository, files_of(ENSEMBLE.replace("pipeline", "second")))
    config = repository / "second/config.pbtxt"
    config.write_text(config.read_text() + "}")
    result = CliRunner().invoke(app, [str(repository if whole else config.parent)])
    assert result.exit_code == 1
    assert result.stdout.startswith("pipeline: RAW" if whole else "no ensembles\n")
    assert "error: 'second' is left out, as its config cannot be read: " in result.stderr
    assert f"{config}:" in result.stderr


def test_another_model_that_cannot_be_read_is_none(repository: Path) -> None:
    (repository / "decode/config.pbtxt").write_text('backend: "python" }')
    assert run(repository).startswith("pipeline: RAW")
    (repository / "decode/config.pbtxt").unlink()
    (repository / "decode/config.pbtxt").mkdir()  # what is in there nobody knows
    assert CliRunner().invoke(app, [str(repository)]).exit_code == 1
