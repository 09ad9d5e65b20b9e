from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.models import bf16_inside, linear
from tests.plugins.models import softsign_model
from trtbuild.accuracy import Accuracy
from trtbuild.artifacts import Plan, VerifyReport
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.request import ConvertRequest
from trtbuild.sources.identify import identify
from trtbuild.stage_options import options_of_stages
from trtbuild.steps import Run


def test_graphs_are_compared_once_and_plans_without_a_gpu_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = identify(str(linear(tmp_path / "tiny.onnx")))
    options = options_of_stages(ConvertRequest(source="", repo=tmp_path), "onnx")
    with Run(source, None, options, lambda _: None) as run:
        exported = run.export()
        surgery = run.operate(exported)
        profile = profile_from_shapes(surgery.model.inputs, options.shapes)
        accuracy = Accuracy(run, exported, surgery, profile)
        report = accuracy.of_graphs()
        assert report.passed
        assert [one.point for one in report.comparisons] == ["min", "opt", "max"]
        assert all(point.outputs.exists() for point in accuracy.points()), "for plans"
        assert accuracy.of_graphs() == report
        assert [stage.cached for stage in run.stages[-2:]] == [False, True]
        targets = (Capability(8, 6), Capability(12, 0))
        plan = Plan(tmp_path, "p", "", 0, targets, "tensorrt-rtx", "1", 0.0)
        assert accuracy.of_plans((plan,), Devices()).not_run == {
            "plan 8.6": "not run: no GPU of 8.6",
            "plan 12.0": "not run: no GPU of 12.0",
        }
    with Run(source, None, options, lambda _: None) as again:
        accuracy = Accuracy(again, exported, surgery, profile)
        assert accuracy.of_graphs() == report
        assert accuracy._no_graph() == ""
        assert again._frameworks is None, "what is known takes no worker"


def test_an_onnx_source_that_cannot_be_run_is_a_reason_and_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = identify(str(bf16_inside(tmp_path / "tiny.onnx")))
    options = options_of_stages(ConvertRequest(source="", repo=tmp_path), "onnx")
    with Run(source, None, options, lambda _: None) as run:
        exported = run.export()
        surgery = run.operate(exported)
        profile = profile_from_shapes(surgery.model.inputs, options.shapes)
        report = Accuracy(run, exported, surgery, profile).of_graphs()
    assert report.comparisons == ()
    assert report.not_run["onnx vs ONNX"].startswith("not run: ONNX Runtime cannot run")


def test_an_op_that_only_a_plugin_has_leaves_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = identify(str(softsign_model(tmp_path / "softsign.onnx")))
    plugin = tmp_path / "ops.py"
    plugin.write_text("")
    options = options_of_stages(ConvertRequest(source="", repo=tmp_path, plugins=(plugin,)), "onnx")
    here, there = Capability(9, 0), Capability(8, 6)
    with Run(source, None, options, lambda _: None) as run:
        exported = run.export()
        surgery = run.operate(exported)
        profile = profile_from_shapes(surgery.model.inputs, options.shapes)
        accuracy = Accuracy(run, exported, surgery, profile)
        report = accuracy.of_graphs()
        plan = Plan(tmp_path, "p", "", 0, (here, there), "tensorrt", "10.6", 0.0)
        gpus = (Gpu(0, "NVIDIA H200", "GPU-0", here, 1 << 37),)
        on_gpu = accuracy.of_plans((plan,), Devices(gpus))
    assert report.comparisons == on_gpu.comparisons == ()
    assert report.not_run["onnx vs ONNX"].startswith("not run: ONNX Runtime has no acme::Scaled")
    assert on_gpu.not_run["plan 9.0"] == report.not_run["onnx vs ONNX"]
    assert on_gpu.not_run["plan 8.6"] == "not run: no GPU of 8.6"


def _of_graphs(folder: Path, model: Path, **asked: Any) -> tuple[VerifyReport, bool]:
    """The report of a run of its own, and whether it was known."""
    source = identify(str(model))
    options = options_of_stages(ConvertRequest(source="", repo=folder, **asked), "onnx")
    with Run(source, None, options, lambda _: None) as run:
        exported = run.export()
        surgery = run.operate(exported)
        profile = profile_from_shapes(surgery.model.inputs, options.shapes)
        report = Accuracy(run, exported, surgery, profile).of_graphs()
        return report, run.stages[-1].cached


def test_a_reference_for_plans_is_no_part_of_what_graphs_are_known_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    model = linear(tmp_path / "tiny.onnx")
    first, known = _of_graphs(tmp_path, model)
    assert not known
    again, known = _of_graphs(tmp_path, model, reference="net.py:reference")
    assert known
    assert first == again


def test_graphs_are_compared_on_the_samples_as_they_are_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they hold is in no digest."""
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    model, file = linear(tmp_path / "tiny.onnx"), tmp_path / "samples.npz"
    worst = []
    for scale in (1, 1000):
        np.savez(file, x=np.full((2, 8), scale, np.float32))
        report, known = _of_graphs(tmp_path, model, samples=file)
        assert not known
        assert [one.point for one in report.comparisons] == ["samples"]
        worst.append(report.comparisons[0].atol)
    assert worst[1] > 100 * worst[0]  # the tolerance is a share of what the model gives


def test_what_the_graph_gives_is_not_computed_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plans are compared with what the comparison of the graphs has left, where that was made."""
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = identify(str(linear(tmp_path / "tiny.onnx")))
    options = options_of_stages(ConvertRequest(source="", repo=tmp_path), "onnx")
    called: list[str] = []
    for _ in range(2):
        with Run(source, None, options, lambda _: None) as run:
            ask = run.call

            def noted(name: str, *more: Any, ask: Any = ask, **given: Any) -> Any:
                called.append(name.rpartition(":")[2])
                return ask(name, *more, **given)

            monkeypatch.setattr(run, "call", noted)
            exported = run.export()
            surgery = run.operate(exported)
            profile = profile_from_shapes(surgery.model.inputs, options.shapes)
            accuracy = Accuracy(run, exported, surgery, profile)
            accuracy.of_graphs()
            points, against = accuracy._expected()
            assert against == "ONNX"
            assert all(point.outputs.exists() for point in points)
        called.append("next run")
    first, second = (called[: called.index("next run")], called[called.index("next run") + 1 :])
    assert first.count("make_inputs") == 1
    assert "run_final" not in first
    assert second == ["make_inputs", "run_final", "next run"]
