from pathlib import Path

from tests.cli.conftest import Trtbuild
from tests.repository.content import content
from trtbuild.repository.write import write_version


def test_a_plan_file_needs_both_files_named(trtbuild: Trtbuild, tmp_path: Path) -> None:
    (tmp_path / "p.plan").write_bytes(b"ftrt" + bytes(60))
    done = trtbuild("refit", tmp_path / "p.plan")
    assert done.returncode == 2
    assert "it needs --onnx and --output, and has no --version" in done.stderr


def test_a_model_is_written_where_it_is(trtbuild: Trtbuild, tmp_path: Path) -> None:
    write_version(tmp_path / "repo", content(tmp_path / "made"))
    done = trtbuild("refit", tmp_path / "repo/net", "--output", tmp_path / "out")
    assert done.returncode == 2
    assert "--output is for a plan file" in done.stderr
    done = trtbuild("refit", tmp_path / "repo/net")
    assert done.returncode == 1
    assert "lacks its weights" in done.stderr


def test_what_is_not_there_is_told_so_whatever_else_is_given(
    trtbuild: Trtbuild, tmp_path: Path
) -> None:
    (tmp_path / "m.onnx").touch()
    given = ("--onnx", tmp_path / "m.onnx", "--output", tmp_path / "out.plan")
    done = trtbuild("refit", tmp_path / "none.plan", *given)
    assert done.returncode == 2
    assert f"'{tmp_path}/none.plan' does not exist" in done.stderr
