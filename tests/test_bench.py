from pathlib import Path

import pytest

import trtbuild
from tests.gpu_memory import full_gpu
from tests.models import linear
from tests.with_tensorrt import needs_tensorrt
from trtbuild.bench import bench
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import CudaError, PlanError, RepositoryError, TrtbuildError, UsageError
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.verify.timing import BenchOptions

L4 = Gpu(0, "NVIDIA L4", "GPU-0", Capability(8, 9), 1 << 30)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",))
    return tmp_path / "repo/tiny"


@pytest.mark.parametrize(
    ("devices", "here"),
    [(Devices(), "this machine has none"), (Devices((L4,)), "this machine has 8.9")],
)
def test_a_plan_of_another_gpu(
    model: Path, devices: Devices, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trtbuild.device.gpus", lambda: devices)
    with pytest.raises(CudaError, match=f"runs on a GPU of 8.6; {here}"):
        bench(model / "1/model.sm86.plan", BenchOptions())
    with pytest.raises(RepositoryError, match=r"the plans are for 8\.6; this machine has"):
        bench(model, BenchOptions())


def test_what_is_no_plan_and_no_model(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        bench(tmp_path / "no.plan", BenchOptions())
    (tmp_path / "x.plan").write_bytes(bytes(100))
    with pytest.raises(PlanError, match="is no TensorRT plan"):
        bench(tmp_path / "x.plan", BenchOptions())
    with pytest.raises(UsageError, match="--version goes with REPO/MODEL"):
        bench(tmp_path / "x.plan", BenchOptions(), version=1)


PLAN = b"ftrt" + bytes(20) + bytes((10, 6, 0, 26)) + bytes(36)


def test_a_plan_of_another_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.5.0.18", (), (L4,))
    monkeypatch.setattr("trtbuild.device.gpus", lambda: Devices((L4,)))
    monkeypatch.setattr("trtbuild.bench.runtime_of", lambda *_: here)
    (plan := tmp_path / "x.plan").write_bytes(PLAN)
    with pytest.raises(PlanError) as caught:
        bench(plan, BenchOptions())
    assert caught.value.message == (
        f"the plan {plan} was built by tensorrt 10.6.0.26, and 10.5.0.18 is installed here, which "
        "does not run it"
    )
    assert caught.value.hint == "install tensorrt 10.6.0.26, or convert the model again"


@pytest.mark.parametrize(
    "options",
    [
        BenchOptions(streams=0),
        BenchOptions(batches=(1, 0)),
        BenchOptions(seconds=-1.0),
        BenchOptions(iterations=0),
    ],
)
def test_counts_and_times_that_are_none(options: BenchOptions, tmp_path: Path) -> None:
    with pytest.raises(TrtbuildError, match="--"):
        bench(tmp_path, options)


@pytest.mark.gpu
@pytest.mark.usefixtures("shared_store")
@needs_tensorrt
def test_a_full_gpu_is_an_error_with_what_to_do(tmp_path: Path) -> None:
    trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo", runtime="tensorrt")
    with full_gpu(), pytest.raises(TrtbuildError, match="out of memory") as caught:
        bench(tmp_path / "repo/tiny", BenchOptions(seconds=0))
    assert "memory" in caught.value.hint
    assert bench(tmp_path / "repo/tiny", BenchOptions(seconds=0)).measurements


@pytest.mark.gpu
@pytest.mark.usefixtures("shared_store")
@needs_tensorrt
def test_a_model_is_measured_on_its_gpu(tmp_path: Path) -> None:
    trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo", runtime="tensorrt")
    options = BenchOptions(batches=(1, 4), seconds=0.1, warm_up_ms=10, cuda_graph=True, layers=True)
    found = bench(tmp_path / "repo/tiny", options)
    assert [one.batch for one in found.measurements] == [1, 4]
    for one in found.measurements:
        assert one.cuda_graph
        assert one.queries >= options.iterations
        assert 0 < one.compute.min <= one.compute.median <= one.compute.p99 <= one.compute.max
        assert sum(layer.share for layer in one.layers) == pytest.approx(1)
    assert bench(Path(found.plan), options).digest == found.digest
