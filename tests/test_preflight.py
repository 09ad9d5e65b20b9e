from pathlib import Path

import onnx
import pytest

from tests.models import bf16_inside, linear
from tests.surgery.models import model, node
from trtbuild.errors import PlanError
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


def test_a_form_that_tensorrt_gets_wrong_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `check` and by `convert`; where the picture's size is told, the pool is written anew."""
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    pool = node("MaxPool", ["x"], ["y"], kernel_shape=[1, 1], strides=[2, 2], ceil_mode=1)

    def request(size: str, profile: str) -> ConvertRequest:
        path = tmp_path / f"{profile}.onnx"
        onnx.save(model([pool], [f"x fp32 [n, 2, {size}]"], ["y fp32 [n, 2, a, b]"]), path)
        return ConvertRequest(
            source=str(path), repo=tmp_path / "repo", targets=("8.9",), profiles=(profile,)
        )

    any_size = request("h, w", "n=1x1x1,h=4x8x16,w=4x8x16")
    (target,) = check(any_size).targets
    assert not target.builds
    assert (
        "refused for 8.9: with ceil_mode a last window may start on the padding" in target.message
    )
    with pytest.raises(PlanError, match=r"gets MaxPool \(node '.*'\) wrong: with ceil_mode"):
        convert(any_size)
    assert all(one.builds for one in check(request("4, 4", "n=1x1x1")).targets)
