from pathlib import Path

import pytest

from tests.models import bf16_inside, linear
from trtbuild.pipeline import convert
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


def test_plans_of_several_profiles_are_kept_for_the_conversion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    request = ConvertRequest(
        source=str(linear(tmp_path / "tiny.onnx")),
        repo=tmp_path / "repo",
        targets=("8.6",),
        profiles=("batch=1x1x1", "batch=2x16x32"),
    )
    assert all(one.builds for one in check(request).targets)
    (plan,) = convert(request).plans
    assert plan.cached
