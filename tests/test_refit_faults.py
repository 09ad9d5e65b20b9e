"""Real kills and real full disks amid `trtbuild refit`; the worker's part is a stand-in."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.repository.places import left_overs, mounted, tree
from tests.test_refit import PLAN, Worker, locked, repository, with_a_gpu
from trtbuild.artifacts import digest_of_files
from trtbuild.errors import RepositoryError
from trtbuild.plan.refit import RefittedPlan
from trtbuild.refit import refit_model, refit_plan


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with_a_gpu(monkeypatch)


# A run that is killed in the middle of the file that its worker writes.
_KILLED = """
import os, signal, sys
from pathlib import Path
import pytest
from tests.test_refit import Worker, with_a_gpu
from trtbuild.refit import refit_model, refit_plan

def killed(self, function, kind, **given):
    with given["output"].open("wb") as file:
        file.write(b"ftrt, and half of the rest")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

with pytest.MonkeyPatch.context() as patch:
    with_a_gpu(patch)
    patch.setattr(Worker, "call", killed)
    paths = [Path(word) for word in sys.argv[1:]]
    refit_plan(*paths) if len(paths) == 3 else refit_model(*paths)
"""


def killed(*paths: Path) -> None:
    command = [sys.executable, "-c", _KILLED, *map(str, paths)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL


def test_a_kill_amid_a_plan_file_leaves_the_old_one(tmp_path: Path) -> None:
    plan, onnx, output = (tmp_path / name for name in ("p.plan", "m.onnx", "out.plan"))
    plan.write_bytes(PLAN)
    onnx.write_bytes(b"weights")
    output.write_bytes(b"as it was")
    killed(plan, onnx, output)
    assert output.read_bytes() == b"as it was"
    refit_plan(plan, onnx, output)
    assert output.read_bytes() == PLAN + b"weights"
    assert sorted(tmp_path.iterdir()) == [onnx, output, plan]  # of the killed run nothing is left


def test_a_kill_amid_a_model_leaves_it_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made := tmp_path / "made-by-runs").mkdir()
    monkeypatch.setenv("TMPDIR", str(made))  # where the killed run leaves what it had
    model = repository(tmp_path)
    before = tree(model)
    killed(model)
    assert tree(model) == before
    refit_model(model)
    assert locked(model).plans[0].stripped is False
    assert left_overs(model.parent) == []


def test_a_full_disk_leaves_a_model_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def call(self: Worker, function: str, _: type, **given: Any) -> RefittedPlan:
        path = given["output"]
        path.write_bytes(PLAN + bytes(5_000_000))
        return RefittedPlan(path, digest_of_files(path), path.stat().st_size)

    monkeypatch.setattr(Worker, "call", call)
    place = tmp_path / "disk"
    place.mkdir()
    with mounted(place, "size=3m"):
        model = repository(place)
        before = tree(model)
        with pytest.raises(RepositoryError) as caught:
            refit_model(model)
        assert caught.value.message.endswith(": No space left on device")
        assert caught.value.hint == "free some space; nothing was changed"
        assert tree(model) == before
        assert locked(model).plans[0].stripped is True
        assert left_overs(model.parent) == []
