from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.models import linear
from trtbuild.cli.app import app
from trtbuild.errors import UsageError


@pytest.mark.parametrize("command", ["inspect", "verify", "bench", "debug", "refit"])
def test_a_command_that_loads_plans_takes_plugins(command: str, tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    (plan := tmp_path / "a.plan").write_bytes(b"ftrt" + bytes(100))
    what = {"verify": tmp_path, "debug": model, "refit": tmp_path}.get(command, plan)
    given = [command, str(what), "--plugins", str(tmp_path / "none.so")]
    done = CliRunner().invoke(app, given)
    assert isinstance(done.exception, UsageError), done
    assert done.exception.message == f"--plugins '{tmp_path}/none.so': no such file"


@pytest.mark.parametrize("command", ["inspect", "verify", "bench", "refit"])
def test_code_in_plans_runs_with_consent_only(command: str) -> None:
    help_ = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).stdout
    assert "--version-compatible" in help_
    assert "trust them first" in help_
