from pathlib import Path

import pytest

from tests.models import bf16_inside
from trtbuild.preflight import check
from trtbuild.request import ConvertRequest


def test_each_target_is_asked_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    path = bf16_inside(tmp_path / "tiny.onnx")
    report = check(ConvertRequest(source=str(path), repo=tmp_path / "repo", targets=("7.5,8.6",)))
    assert {str(one.target): one.builds for one in report.targets} == {"7.5": False, "8.6": True}
    refused = report.targets[0].refused
    assert {refusal.dtype for refusal in refused} == {"bf16"}
    assert all(refusal.reason for refusal in refused)
    assert not (tmp_path / "repo").exists()
