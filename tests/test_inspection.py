from pathlib import Path

import pytest

import trtbuild
from tests.models import linear
from trtbuild.errors import PlanError, SourceError
from trtbuild.inspection import Inspection, inspect
from trtbuild.request import ConvertRequest


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))


def look(path: Path) -> Inspection:
    return inspect(ConvertRequest(source=str(path), repo=Path()))


def test_a_plan_that_its_lock_does_not_know_is_told_so(tmp_path: Path) -> None:
    trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",))
    folder = tmp_path / "repo/tiny/1"
    (folder / "other.plan").write_bytes((folder / "model.sm86.plan").read_bytes())
    found = look(folder / "other.plan")
    assert found.targets == ("8.6",)
    assert found.inputs == ()
    assert found.notes[0] == "trtbuild.lock.json beside it does not know this file"
    (folder / "trtbuild.lock.json").write_text("{")
    assert "is damaged" in look(folder / "model.sm86.plan").notes[0]


def test_what_is_no_plan_and_no_model(tmp_path: Path) -> None:
    (tmp_path / "x.plan").write_bytes(bytes(100))
    with pytest.raises(PlanError, match="is no TensorRT plan"):
        look(tmp_path / "x.plan")
    (tmp_path / "x.bin").write_bytes(bytes(100))
    with pytest.raises(SourceError):
        look(tmp_path / "x.bin")


def test_a_model_of_another_framework_is_shown_by_its_export(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "small.py").write_text(
        "import torch\ndef factory():\n    return torch.nn.Linear(3, 2), (torch.zeros(1, 3),)\n"
    )
    found = inspect(ConvertRequest(source=f"{tmp_path}/small.py:factory", repo=Path()))
    assert found.kind == "torch"
    assert found.producer.startswith("pytorch")
    assert found.inputs[0].shape[1] == 3
    assert found.ops
