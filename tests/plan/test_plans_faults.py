"""Runs whose workers are killed, whose store cannot be written, which are interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plan.models import (
    LIGHT,
    matmul,
    saved,
)
from tests.plan.runs import ALONE, Run, covered
from trtbuild.artifacts import OnnxModel, Progress, to_json
from trtbuild.capability import Capability
from trtbuild.errors import StoreError
from trtbuild.onnx_model import describe
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.store import Store


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
    assert failure.hint == "nothing says that memory ran out: look for who sends SIGKILL here"
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
    with pytest.raises(StoreError, match="cannot be used: it is no folder"):
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
        sys.stdout.write("building\\n")  # in one piece: `print` from two threads mixes lines
        sys.stdout.flush()

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
