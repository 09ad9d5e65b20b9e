import json
from pathlib import Path

from tests.cli.conftest import Trtbuild
from tests.models import bf16_inside, linear


def test_a_model_that_every_target_takes(trtbuild: Trtbuild, tmp_path: Path) -> None:
    done = trtbuild("check", linear(tmp_path / "tiny.onnx"), "--target", "8.6,8.9", "-q")
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()[2:]] == [
        ["8.6", "builds"],
        ["8.9", "builds"],
    ]


def test_a_target_that_refuses_names_op_type_reason_and_help(
    trtbuild: Trtbuild, tmp_path: Path
) -> None:
    done = trtbuild("check", bf16_inside(tmp_path / "tiny.onnx"), "--target", "7.5,8.6", "-q")
    assert done.returncode == 1
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[2][:2] == ["7.5", "refused"]
    assert "bf16" in rows[2]
    assert rows[3] == ["8.6", "builds"]
    hints = [line.strip() for line in done.stdout.splitlines() if "hint: " in line]
    assert hints
    assert len(hints) == len(set(hints))  # none is said again for its op
    report = json.loads(
        trtbuild("check", tmp_path / "tiny.onnx", "--target", "7.5", "-q", "--json").stdout
    )
    assert not report["targets"][0]["builds"]
    assert not list(tmp_path.glob("repo*"))
