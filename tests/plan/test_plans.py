"""Builds of whole runs, with real worker processes and real faults."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from onnx import TensorProto

from tests.plan.conftest import WatchedPool
from tests.plan.models import (
    LIGHT,
    custom_op,
    four_rows_only,
    identity,
    matmul,
    nonzero,
    quantized_matmul,
    saved,
)
from trtbuild.artifacts import OnnxModel, PlanOutcome, Progress, to_json
from trtbuild.capability import Capability
from trtbuild.device import Gpu
from trtbuild.errors import MissingPackageError, PlanError, StoreError, UsageError
from trtbuild.onnx_model import describe
from trtbuild.plan.header import plan_header
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.plans import plans_from_onnx
from trtbuild.plan.profiles import ShapeOptions, profile_from_shapes
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo
from trtbuild.store import Store
from trtbuild.workers.warm import WarmWorker

FLEET = tuple(Capability(*pair) for pair in ((8, 0), (8, 6), (8, 9)))
ALONE = PlanOptions(sharing="per-target")


class Run:
    """Builds for one test, and what was told meanwhile."""

    def __init__(self, runtime: RuntimeInfo, store: Store, pool: WatchedPool) -> None:
        self.runtime = runtime
        self.store = store
        self.pool = pool
        self.told: list[Progress] = []
        self.on_progress: Callable[[Progress], None] = self.told.append

    def __call__(
        self,
        model: OnnxModel,
        targets: tuple[Capability, ...] = FLEET,
        options: PlanOptions = PlanOptions(),  # noqa: B008 - frozen
        **more: Any,
    ) -> PlanOutcome:
        return plans_from_onnx(
            model,
            targets,
            more.pop("profile", None) or profile_from_shapes(model.inputs),
            options,
            more.pop("runtime", self.runtime),
            store=self.store,
            pool=self.pool,
            on_progress=self.on_progress,
            **more,
        )


@pytest.fixture
def run(rtx: RuntimeInfo, store: Store, pool: WatchedPool) -> Run:
    return Run(rtx, store, pool)


def covered(outcome: PlanOutcome) -> list[tuple[str, ...]]:
    return [tuple(map(str, plan.targets)) for plan in outcome.plans]


def warm_builder(run: Run) -> WarmWorker:
    return WarmWorker(run.pool, "trtbuild.plan.build:warm_up", runtime=run.runtime)


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
    with pytest.raises(UsageError, match="has no version compatibility"):
        run(model, options=PlanOptions(version_compatible=True))


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


def kill_the_builder_of(target: str, run: Run) -> Callable[[Progress], None]:
    """Kill -9 the newest worker when TensorRT first tells of `target`, once."""
    left = [target]

    def on_progress(progress: Progress) -> None:
        if progress.total and progress.done < progress.total and progress.work in left:
            left.remove(progress.work)
            os.kill(run.pool.started[-1].process.pid, signal.SIGKILL)

    return on_progress


def test_a_worker_killed_with_9_fails_its_target_alone(run: Run) -> None:
    run.on_progress = kill_the_builder_of("8.6", run)
    outcome = run(describe(LIGHT / "light_squeezenet.onnx"), options=ALONE)
    assert covered(outcome) == [("8.0",), ("8.9",)]
    (failure,) = outcome.failures
    assert failure.target == Capability(8, 6)
    assert failure.message == "the worker process was ended by SIGKILL"
    assert failure.hint == "killed from outside, or the machine is out of memory"
    assert failure.seconds > 0
    run.on_progress = run.told.append
    again = run(describe(LIGHT / "light_squeezenet.onnx"), options=ALONE)
    assert [plan.cached for plan in again.plans] == [True, False, True]


def test_a_shared_build_that_is_killed_goes_on_target_by_target(run: Run) -> None:
    run.on_progress = kill_the_builder_of("8.6", run)
    outcome = run(describe(LIGHT / "light_squeezenet.onnx"))
    assert covered(outcome) == [("8.0",), ("8.6",), ("8.9",)]
    assert outcome.failures == ()


def test_a_store_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    run.store = Store(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be written: Not a directory"):
        run(saved(matmul(), tmp_path / "model"))


_PARENT = """
import json, signal, sys
from pathlib import Path
from trtbuild.artifacts import OnnxModel, from_json
from trtbuild.device import Devices
from trtbuild.plan.options import PlanOptions
from trtbuild.plan.plans import plans_from_onnx
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import choose_runtime
from trtbuild.plan.targets import targets_from_texts
from trtbuild.store import Store
from trtbuild.workers.pool import Pool

def end(number, frame):
    raise SystemExit(143)

signal.signal(signal.SIGTERM, end)
model = from_json(Path(sys.argv[1]).read_bytes(), OnnxModel)
runtime = choose_runtime("tensorrt-rtx", Devices())
told = set()

def tell(progress):
    if progress.total and progress.work not in told:
        told.add(progress.work)
        print("building", flush=True)

try:
    with Pool() as pool:
        plans_from_onnx(
            model, targets_from_texts([sys.argv[3]], runtime, Devices()),
            profile_from_shapes(model.inputs), PlanOptions(sharing=sys.argv[4]), runtime,
            store=Store(Path(sys.argv[2])), pool=pool, workers=2, on_progress=tell)
except KeyboardInterrupt:
    sys.exit(130)
print(json.dumps(sorted(sys.modules)))
"""


def parent(model: OnnxModel, folder: Path, targets: str, sharing: str) -> subprocess.Popen[str]:
    (description := folder / "model.json").write_bytes(to_json(model))
    command = [sys.executable, "-c", _PARENT, description, folder / "store", targets, sharing]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("sharing", ["shared", "per-target"])
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_an_interrupted_run_leaves_no_worker_and_no_half_plan(
    sent: signal.Signals, code: int, sharing: str, rtx: RuntimeInfo, tmp_path: Path
) -> None:
    model = describe(LIGHT / "light_resnet50.onnx")
    with parent(model, tmp_path, "8.0,8.6,8.9,12.0", sharing) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "building\n"
        workers = children(process.pid)
        assert len(workers) == (1 if sharing == "shared" else 2)
        process.send_signal(sent)
        assert process.wait(20) == code
    end = time.monotonic() + 10
    while not all(map(gone, workers)):
        assert time.monotonic() < end, "a worker outlived the run"
        time.sleep(0.02)
    assert Store(tmp_path / "store").entries() == []
    if sent != signal.SIGKILL:
        assert list((tmp_path / "store" / "partial").iterdir()) == []


def test_the_parent_of_a_build_imports_nothing_heavy(rtx: RuntimeInfo, tmp_path: Path) -> None:
    model = saved(matmul(), tmp_path)
    for _ in range(2):  # cold and warm
        with parent(model, tmp_path, "8.6,8.9", "shared") as process:
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        modules = {name.split(".")[0] for name in json.loads(out.splitlines()[-1])}
        assert not modules & {"onnx", "numpy", "tensorrt_rtx", "tensorrt_rtx_bindings", "torch"}
