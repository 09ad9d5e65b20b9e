"""Weights for the plans of a repository; the worker's part is a stand-in."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.repository.content import content
from trtbuild import device
from trtbuild import refit as module
from trtbuild.artifacts import digest_of_files
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import PlanError, RepositoryError, UsageError
from trtbuild.plan.refit import RefittedPlan
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.refit import refit_model, refit_plan
from trtbuild.repository.lock import Lock, read_lock
from trtbuild.repository.write import write_version
from trtbuild.workers.pool import Pool

A10 = Gpu(0, "NVIDIA A10", "GPU-0", Capability(8, 6), 24 << 30)
TRT = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.6.0", (A10.capability,), (A10,))
PLAN = b"ftrt" + bytes(20) + bytes((10, 6, 0, 26)) + bytes(36)


class Worker:
    """Appends the ONNX file to the plan."""

    def call(self, function: str, _: type, **given: Any) -> RefittedPlan:
        assert function == "trtbuild.plan.refit:refit"
        path = given["output"]
        path.write_bytes(given["plan"].read_bytes() + given["onnx"].read_bytes())
        return RefittedPlan(path, digest_of_files(path), path.stat().st_size)


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_gpu(monkeypatch)


def with_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """An A10, TensorRT, and a worker that is none."""

    @contextlib.contextmanager
    def worker(_: object, __: dict[str, str]) -> Iterator[Worker]:
        yield Worker()

    monkeypatch.setattr(device, "gpus", lambda: Devices((A10,)))
    monkeypatch.setattr(module, "choose_runtime", lambda *_: TRT)
    monkeypatch.setattr(module, "external_files", lambda _: ())
    monkeypatch.setattr(Pool, "worker", worker)


def repository(folder: Path, *, stripped: bool = True, target: str = "8.6") -> Path:
    """A model with one plan, of data-centre TensorRT, without its weights."""
    made = content(folder / "made", (target,), data=PLAN)
    digest = digest_of_files(folder / "made" / "onnx")
    (plan,) = made.lock.plans
    lock = msgspec.structs.replace(
        made.lock,
        onnx=msgspec.structs.replace(made.lock.onnx, digest=digest),
        plans=(msgspec.structs.replace(plan, runtime="tensorrt", stripped=stripped),),
    )
    write_version(folder / "repo", made._replace(lock=lock))
    return folder / "repo" / "net"


def locked(model: Path) -> Lock:
    lock = read_lock(model / "1")
    assert lock is not None
    return lock


def test_a_models_plan_gets_the_weights_beside_it(tmp_path: Path) -> None:
    model = repository(tmp_path)
    before, config = locked(model), (model / "config.pbtxt").read_bytes()
    done = refit_model(model)
    plan = model / "1" / "model.sm86.plan"
    assert done.plans == (plan,)
    assert plan.read_bytes() == PLAN + b"onnx"
    after = locked(model)
    assert after.plans[0].stripped is False
    assert after.files[plan.name].digest == digest_of_files(plan)
    assert after.files["model.onnx"] == before.files["model.onnx"]
    assert (model / "config.pbtxt").read_bytes() == config
    assert after.config_digest == before.config_digest


def test_a_config_that_was_edited_stays_and_stays_edited(tmp_path: Path) -> None:
    model = repository(tmp_path)
    (model / "config.pbtxt").write_text("# mine\n")
    before = locked(model).config_digest
    refit_model(model)
    assert (model / "config.pbtxt").read_text() == "# mine\n"
    assert locked(model).config_digest == before


def test_only_the_weights_that_the_plan_was_built_with(tmp_path: Path) -> None:
    model = repository(tmp_path)
    (tmp_path / "other.onnx").write_bytes(b"other")
    with pytest.raises(RepositoryError, match="is not the ONNX model that the plans of"):
        refit_model(model, tmp_path / "other.onnx")
    (tmp_path / "same.onnx").write_bytes(b"onnx")
    (model / "1" / "model.onnx").unlink()
    with pytest.raises(RepositoryError) as caught:
        refit_model(model)
    assert "to take the weights from" in caught.value.message


def test_a_plan_that_was_changed_is_not_loaded(tmp_path: Path) -> None:
    model = repository(tmp_path)
    (model / "1" / "model.sm86.plan").write_bytes(PLAN + b"code")
    with pytest.raises(RepositoryError, match="is not the plan that trtbuild wrote"):
        refit_model(model)


def test_what_another_writer_did_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = repository(tmp_path)
    refit_once = Worker.call

    def call(self: Worker, *given: Any, **more: Any) -> RefittedPlan:
        if locked(model).trtbuild != "other":
            lock = msgspec.structs.replace(locked(model), trtbuild="other")
            (model / "1" / "trtbuild.lock.json").write_bytes(msgspec.json.encode(lock))
        return refit_once(self, *given, **more)

    monkeypatch.setattr(Worker, "call", call)
    with pytest.raises(RepositoryError, match="was changed meanwhile"):
        refit_model(model)
    assert (model / "1" / "model.sm86.plan").read_bytes() == PLAN


def test_what_cannot_be_refitted_here_says_why(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"model\.sm90\.plan: no GPU of 9\.0 is here"):
        refit_model(repository(tmp_path / "far", target="9.0"))
    full = repository(tmp_path / "full", stripped=False)
    with pytest.raises(PlanError, match="lacks its weights"):
        refit_model(full)
    with pytest.raises(UsageError, match="has no version 7"):
        refit_model(full, version=7)
    with pytest.raises(UsageError, match="neither a plan file nor a model with versions"):
        refit_model(tmp_path / "nothing")


def test_a_plan_file_is_written_by_one_rename(tmp_path: Path) -> None:
    (tmp_path / "p.plan").write_bytes(PLAN)
    (tmp_path / "m.onnx").write_bytes(b"weights")
    done = refit_plan(tmp_path / "p.plan", tmp_path / "m.onnx", tmp_path / "out.plan")
    assert done.plans == (tmp_path / "out.plan",)
    assert (tmp_path / "out.plan").read_bytes() == PLAN + b"weights"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx", "out.plan", "p.plan"]


def test_a_plan_file_of_another_gpu_or_release(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = repository(tmp_path, target="9.0") / "1" / "model.sm90.plan"
    (tmp_path / "m.onnx").write_bytes(b"weights")
    with pytest.raises(PlanError, match=r"is for 9\.0, and is refitted there; .* has 8\.6"):
        refit_plan(plan, tmp_path / "m.onnx", tmp_path / "out.plan")
    old = msgspec.structs.replace(TRT, version="10.5.0.18")
    monkeypatch.setattr(module, "choose_runtime", lambda *_: old)
    with pytest.raises(PlanError, match=r"10\.6\.0\.26, and 10\.5\.0\.18 is installed here"):
        refit_plan(plan, tmp_path / "m.onnx", tmp_path / "out.plan")
    with pytest.raises(PlanError, match=r"10\.6\.0\.26, and 10\.5\.0\.18 is installed here"):
        refit_model(repository(tmp_path / "near"))
    assert not (tmp_path / "out.plan").exists()


def test_a_plan_file_that_takes_none(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"weights")
    (tmp_path / "p.plan").write_bytes(b"vtrt" + bytes(60))
    with pytest.raises(PlanError, match="is a plan of tensorrt-rtx, which has its weights inside"):
        refit_plan(tmp_path / "p.plan", tmp_path / "m.onnx", tmp_path / "out.plan")
    (tmp_path / "p.plan").write_bytes(PLAN)
    with pytest.raises(UsageError, match="no such file"):
        refit_plan(tmp_path / "p.plan", tmp_path / "no.onnx", tmp_path / "out.plan")
    with pytest.raises(UsageError, match="there is no folder"):
        refit_plan(tmp_path / "p.plan", tmp_path / "m.onnx", tmp_path / "no" / "out.plan")
