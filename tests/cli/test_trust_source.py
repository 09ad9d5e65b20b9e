"""Loading is already running: every command that loads a model looks through it first."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Trtbuild
from trtbuild.sources.trust import TRUST_HINT
from trtbuild.workers.pool import Pool, Worker

pytestmark = pytest.mark.xdist_group("torch")


@pytest.fixture(scope="module")
def torch_worker() -> Iterator[Worker]:
    with Pool() as pool:
        yield pool.start()


@pytest.mark.parametrize(
    "command", [("inspect",), ("check", "--target", "8.6"), ("convert", "--no-verify")], ids=str
)
def test_no_command_runs_what_a_file_would_run_at_loading(
    torch_worker: Worker, trtbuild: Trtbuild, tmp_path: Path, command: tuple[str, ...]
) -> None:
    trap = tmp_path / "trap"
    made = {"way": "torch.save", "path": tmp_path / "net.pt", "trap": trap, "at_loading": True}
    path = torch_worker.call("tests.sources.torch_attacks:save", str, **made)
    more = ("--repo", tmp_path / "repo") if command[0] == "convert" else ()
    name, *options = command
    done = trtbuild(name, path, "--input", "x=fp32[batch,4]", *options, *more, cwd=tmp_path)
    assert done.returncode == 1
    assert f"hint: leave it out of the module; {TRUST_HINT}" in " ".join(done.stderr.split())
    assert not trap.exists()


def test_what_lies_beside_a_model_is_not_imported(
    torch_worker: Worker, trtbuild: Trtbuild, tmp_path: Path
) -> None:
    """A worker looks for modules where they are installed, not in the current folder."""
    trap = tmp_path / "trap"
    for module in ("numpy", "onnx", "msgspec", "torch", "json"):
        (tmp_path / f"{module}.py").write_text(f"open({str(trap)!r}, 'w')\n")
    path = torch_worker.call("tests.sources.torch_models:save_torchscript", str,
                             path=tmp_path / "net.pt", scripted=False)  # fmt: skip
    done = trtbuild("inspect", path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not trap.exists()
