from pathlib import Path

import msgspec
import pytest

import trtbuild
from tests.models import linear
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import MissingPackageError, RepositoryError, UsageError
from trtbuild.locked import check_any_runs, locked_version, runnable, runtime_of, targets_of
from trtbuild.plan.header import plan_header


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("locked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRTBUILD_CACHE_DIR", str(folder / "cache"))
        trtbuild.convert(linear(folder / "tiny.onnx"), folder / "repo", targets=("8.6", "8.9"))
    return folder / "repo/tiny"


def gpu(index: int, capability: Capability) -> Gpu:
    return Gpu(index, f"GPU {index}", f"GPU-{index}", capability, 1 << 30)


def test_the_latest_version_and_its_plans(model: Path) -> None:
    found = locked_version(model, None)
    assert (found.path, found.lock.version) == (model / "1", 1)
    (plan,) = found.plans()
    assert plan.path == model / "1/model.sm86-sm89.plan"
    assert plan.path.stat().st_size == plan.size_bytes


def test_a_plan_runs_on_the_first_gpu_of_each_of_its_targets(model: Path) -> None:
    plans = locked_version(model, 1).plans()
    gpus = tuple(gpu(i, Capability(*pair)) for i, pair in enumerate(((9, 0), (8, 9), (8, 9))))
    (one,) = runnable(plans, Devices(gpus))
    assert (str(one.target), one.gpu.index) == ("8.9", 1)
    check_any_runs(plans, Devices(gpus))


@pytest.mark.parametrize(
    ("devices", "here"),
    [
        (Devices((gpu(0, Capability(9, 0)),)), "this machine has 9.0"),
        (Devices(), "this machine has no GPU that can be used"),
        (
            Devices(problem="cuInit answered 999"),
            r"this machine has no GPU that can be used \(cuInit",
        ),
    ],
)
def test_where_no_plan_runs_both_sides_are_said(model: Path, devices: Devices, here: str) -> None:
    with pytest.raises(RepositoryError, match=f"the plans are for 8.6, 8.9; {here}"):
        check_any_runs(locked_version(model, 1).plans(), devices)


def test_a_plan_file_is_for_what_its_header_or_its_lock_says(model: Path, tmp_path: Path) -> None:
    plan = model / "1/model.sm86-sm89.plan"
    header = plan_header(plan)
    assert targets_of(plan, header) == (Capability(8, 6), Capability(8, 9))
    silent = msgspec.structs.replace(header, targets=None)
    assert targets_of(plan, silent) == (Capability(8, 6), Capability(8, 9))
    assert targets_of(tmp_path / "alone.plan", silent) is None
    undeclared = msgspec.structs.replace(header, any_later=True)
    assert targets_of(plan, undeclared) is None


def test_what_is_no_version_that_trtbuild_wrote(model: Path, tmp_path: Path) -> None:
    with pytest.raises(RepositoryError, match="has no version 2; it has 1"):
        locked_version(model, 2)
    with pytest.raises(UsageError, match="is version 1 of the model 'tiny'"):
        locked_version(model / "1", None)
    with pytest.raises(RepositoryError, match="is no model's folder"):
        locked_version(model.parent, None)
    (tmp_path / "other/1").mkdir(parents=True)
    with pytest.raises(RepositoryError, match="was not written by trtbuild"):
        locked_version(tmp_path / "other", None)


def test_a_plan_that_was_changed_or_is_gone_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",))
    found = locked_version(tmp_path / "repo/tiny", None)
    plan = found.path / "model.sm86.plan"
    plan.write_bytes(plan.read_bytes() + b"\0")
    with pytest.raises(RepositoryError, match="is not the file that was written there"):
        found.plans()
    plan.unlink()
    with pytest.raises(RepositoryError, match="plan' is not there"):
        found.plans()


def test_a_runtime_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trtbuild.locked.installed_runtimes", lambda _: ())
    with pytest.raises(MissingPackageError, match="a plan of tensorrt needs the package"):
        runtime_of("tensorrt", Devices())
