"""Builds of whole runs, with real worker processes and real faults."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from onnx import TensorProto

from tests.plan.models import (
    custom_op,
    four_rows_only,
    identity,
    matmul,
    nonzero,
    quantized_matmul,
    saved,
)
from tests.plan.runs import ALONE, FLEET, Run, covered, warm_builder
from trtbuild.capability import Capability
from trtbuild.device import Gpu
from trtbuild.errors import MissingPackageError, PlanError, UsageError
from trtbuild.plan.header import plan_header
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.profiles import ShapeOptions, profile_from_shapes
from trtbuild.plan.runtimes import RTX_CAPABILITIES
from trtbuild.store import Store


def test_targets_share_one_plan(run: Run, tmp_path: Path) -> None:
    outcome = run(saved(matmul(), tmp_path), tuple(reversed(FLEET)))
    assert covered(outcome) == [("8.0", "8.6", "8.9")]
    assert outcome.failures == ()
    (plan,) = outcome.plans
    assert plan.file == "model.sm80-sm86-sm89.plan"
    assert plan_header(plan.path).targets == FLEET
    assert len(run.pool.started) == 1


def test_each_target_has_its_plan_where_that_is_asked(run: Run, tmp_path: Path) -> None:
    outcome = run(saved(matmul(), tmp_path), options=ALONE, workers=2)
    assert [plan.file for plan in outcome.plans] == [
        "model.sm80.plan",
        "model.sm86.plan",
        "model.sm89.plan",
    ]
    assert [plan_header(plan.path).targets for plan in outcome.plans] == [(t,) for t in FLEET]
    assert len({worker.process.pid for worker in run.pool.started}) == 3


def test_the_second_time_nothing_is_built(run: Run, tmp_path: Path) -> None:
    model = saved(matmul(), tmp_path)
    for options in (PlanOptions(), ALONE):
        first = run(model, options=options)
        started = len(run.pool.started)
        again = run(model, options=options)
        assert all(plan.cached for plan in again.plans)
        assert [p.digest for p in again.plans] == [p.digest for p in first.plans]
        assert [p.seconds for p in again.plans] == [p.seconds for p in first.plans]
        assert len(run.pool.started) == started


def test_another_profile_is_another_plan(run: Run, tmp_path: Path) -> None:
    model = saved(matmul(), tmp_path)
    run(model)
    profile = profile_from_shapes(model.inputs)
    wider = {"x": msgspec.structs.replace(profile["x"], max=(16, 64))}
    assert not run(model, profile=wider).plans[0].cached


def test_the_workers_are_gone_afterwards(run: Run, tmp_path: Path) -> None:
    run(saved(matmul(), tmp_path), options=ALONE)
    assert all(worker.process.poll() is not None for worker in run.pool.started)


def test_every_target_tells_of_its_progress(run: Run, tmp_path: Path) -> None:
    run(saved(matmul(), tmp_path))
    for target in map(str, FLEET):
        phases = [progress.phase for progress in run.told if progress.work == target]
        assert phases[:2] == ["waiting", "building"]
        assert "Building engine" in phases
        assert phases[-1] == "built"
    run.told.clear()
    run(saved(matmul(), tmp_path))
    assert [p.phase for p in run.told if p.work == "8.6"] == ["waiting", "from the cache"]


def test_a_target_that_fails_leaves_the_others_one_plan(run: Run, tmp_path: Path) -> None:
    outcome = run(saved(matmul(TensorProto.FLOAT), tmp_path), RTX_CAPABILITIES, workers=2)
    assert covered(outcome) == [("8.0", "8.6", "8.9", "12.0", "12.1")]
    (failure,) = outcome.failures
    assert failure.target == Capability(7, 5)
    assert failure.message == (
        "MatMul in fp32 (node 'fc') is refused for 7.5: FP32 GEMM is not supported"
    )
    assert (failure.op, failure.dtype) == ("MatMul", "fp32")
    assert failure.hint == (
        "it builds for 7.5 with --precision fp16; "
        "as it is it builds for 8.0, 8.6, 8.9, 12.0 and 12.1"
    )
    assert failure.seconds > 0


def test_several_that_fail_fail_each(run: Run, tmp_path: Path) -> None:
    model = saved(quantized_matmul(TensorProto.FLOAT8E4M3FN), tmp_path)
    outcome = run(model, FLEET, workers=2)
    assert covered(outcome) == [("8.9",)]
    assert outcome.plans[0].file == "model.sm89.plan"
    assert [str(failure.target) for failure in outcome.failures] == ["8.0", "8.6"]
    assert outcome.failures[1].message == (
        "QuantizeLinear in fp8e4m3fn (node 'q') is refused for 8.6: the model contains "
        "HW-specific datatypes: fp8_e4m3; so is DequantizeLinear in fp8e4m3fn"
    )
    assert outcome.failures[1].hint == (
        "it builds for 8.6 quantized to int8; as it is it builds for 8.9, 12.0 and 12.1"
    )


@pytest.mark.parametrize("options", [PlanOptions(), ALONE], ids=["shared", "alone"])
def test_an_op_that_nobody_supports_is_named_for_each_target(
    options: PlanOptions, run: Run, tmp_path: Path
) -> None:
    outcome = run(saved(custom_op(), tmp_path), FLEET[:2], options)
    assert outcome.plans == ()
    assert [failure.message for failure in outcome.failures] == [
        f"com.acme::Foo in fp32 (node 'acme/foo') is refused for {target}: "
        "Plugin not found, are the plugin name, version, and namespace correct?"
        for target in ("8.0", "8.6")
    ]
    assert all(failure.seconds > 0 for failure in outcome.failures)
    assert [p.phase for p in run.told if p.work == "8.6"][-1] == "failed"
    assert outcome.failures[0].hint == (
        "data-centre TensorRT takes it with a plugin: --runtime tensorrt --plugins FILE.so; "
        "tensorrt-rtx takes it for no target: end the model before it, with --outputs a, "
        "or export the model without it"
    )


def test_what_the_parser_refuses_is_not_tried_again(run: Run, tmp_path: Path) -> None:
    run(saved(nonzero(), tmp_path), RTX_CAPABILITIES)
    assert len(run.pool.started) == 2  # the shared build, and the search for the op


@pytest.mark.parametrize("options", [PlanOptions(), ALONE], ids=["shared", "alone"])
def test_what_is_wrong_for_every_target_is_one_error(
    options: PlanOptions, run: Run, tmp_path: Path
) -> None:
    model = saved(four_rows_only(), tmp_path)
    profile = profile_from_shapes(model.inputs, ShapeOptions(max_batch=10))
    with pytest.raises(PlanError) as caught:
        run(model, options=options, profile=profile)
    assert "kOPT values for profile 0 violate shape constraints: add:" in caught.value.message
    assert caught.value.hint.startswith("the model does not take every shape of the profile")


def test_types_that_tensorrt_lacks_start_no_worker(run: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        run(saved(identity(TensorProto.STRING), tmp_path))
    assert caught.value.message == "input 'x' is string, a data type that TensorRT lacks"
    assert run.pool.started == []


def test_targets_and_options_are_checked_first(run: Run, tmp_path: Path) -> None:
    model = saved(matmul(), tmp_path)
    with pytest.raises(PlanError, match=r"builds no plans for 9\.0"):
        run(model, (Capability(9, 0),))
    with pytest.raises(UsageError, match="has no --version-compatible"):
        run(model, options=PlanOptions(version_compatible="with-lean-runtime"))


def test_a_package_that_does_not_load_is_one_error(run: Run, tmp_path: Path) -> None:
    broken = msgspec.structs.replace(run.runtime, module="tensorrt_rtx_of_another_world")
    with pytest.raises(MissingPackageError):
        run(saved(matmul(), tmp_path), runtime=broken)


def test_a_warm_worker_is_used_once(run: Run, tmp_path: Path) -> None:
    warm = warm_builder(run)
    run(saved(matmul(), tmp_path), options=ALONE, warm=warm)
    assert len(run.pool.started) == len(FLEET)
    assert run.pool.started[0].process.poll() is not None


def test_warm_or_not_a_plan_has_the_same_bytes(run: Run, tmp_path: Path) -> None:
    model = saved(matmul(), tmp_path)
    cold = run(model).plans[0]
    run.store = Store(tmp_path / "other")
    warm = run(model, warm=warm_builder(run)).plans[0]
    assert not warm.cached
    assert warm.digest == cold.digest


def test_a_runtime_that_builds_on_gpus_has_one_of_the_target_in_each_worker(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus = (
        Gpu(0, "NVIDIA L4", "GPU-0", Capability(8, 9), 24 << 30),
        Gpu(1, "NVIDIA A10", "GPU-1", Capability(8, 6), 24 << 30),
    )
    on_gpus = msgspec.structs.replace(run.runtime, gpus=gpus)
    model = saved(quantized_matmul(TensorProto.FLOAT8E4M3FN), tmp_path)
    outcome = run(model, FLEET[1:], ALONE, runtime=on_gpus)
    assert covered(outcome) == [("8.9",)]
    assert [environment["CUDA_VISIBLE_DEVICES"] for environment in run.pool.environments] == [
        "1",  # the build for 8.6
        "0",  # the build for 8.9
        "1",  # what 8.6 refuses
    ]


# Faults
