import json
from pathlib import Path

from tests.cli.conftest import Trtbuild
from tests.models import linear


def test_show_prints_sizes_targets_precision_and_provenance(
    trtbuild: Trtbuild, tmp_path: Path
) -> None:
    repo, model = tmp_path / "repo", linear(tmp_path / "tiny.onnx")
    trtbuild("convert", model, "--repo", repo, "--target", "8.6", "--precision", "fp16")
    (repo / "hand/1").mkdir(parents=True)
    (repo / "hand/1/model.py").write_text("pass")
    shown = trtbuild("repo", "show", repo).stdout.splitlines()
    assert shown[:2] == [f"{repo}/", "  hand/  (no config.pbtxt)"]
    assert f"      from onnx {model}, opset 17" in shown
    assert any(
        "precision fp16 (2 of 2 nodes compute in fp16), accuracy: max abs" in line for line in shown
    )
    assert any(line.split()[:1] == ["model.sm86.plan"] and line.endswith("8.6") for line in shown)
    facts = json.loads(trtbuild("repo", "show", repo, "--json").stdout)
    assert [entry["name"] for entry in facts["models"]] == ["hand", "tiny"]


def test_show_of_one_model(trtbuild: Trtbuild, tmp_path: Path) -> None:
    for name in ("m", "other"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1/model.py").write_text("pass")
        (tmp_path / name / "config.pbtxt").write_text('backend: "python"\n')
    shown = trtbuild("repo", "show", tmp_path / "m").stdout
    assert shown.splitlines()[:3] == [f"{tmp_path}/", "  m/", "    1/  4 B"]
    assert "other" not in shown
    done = trtbuild("repo", "show", tmp_path / "m/1")
    assert done.returncode == 2
    assert "is version 1 of the model 'm'" in done.stderr


def test_show_of_nothing(trtbuild: Trtbuild, tmp_path: Path) -> None:
    done = trtbuild("repo", "show", tmp_path / "nowhere")
    assert done.returncode == 1
    assert f"the repository '{tmp_path}/nowhere' does not exist" in done.stderr
