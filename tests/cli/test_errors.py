from pathlib import Path

import pytest

from trtbuild.cli.errors import exit_code_of
from trtbuild.errors import PlanError, UsageError


def test_an_error_shows_message_and_hint_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(PlanError("no plan", "try 8.6")) == 1
    assert capsys.readouterr() == ("", "error: no plan\n  hint: try 8.6\n")
    assert exit_code_of(UsageError("what?")) == 2
    assert capsys.readouterr() == ("", "error: what?\n")


def test_a_bug_is_one_short_line_and_a_log(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    try:
        dict[str, str]()["nowhere"]
    except KeyError as error:
        assert exit_code_of(error) == 3
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "bug in trtbuild: KeyError: 'nowhere'"
    (log,) = tmp_path.iterdir()
    assert said[1] == f"  hint: please report it with the log {log}"
    text = log.read_text()
    assert "onnxruntime 1." in text
    assert "tensorrt -" in text or "tensorrt 1" in text
    assert 'File "' in text
    assert "test_errors.py" in text
