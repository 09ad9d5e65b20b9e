"""An ExportedProgram's texts: none that PyTorch would run gets as far as PyTorch."""

from pathlib import Path

import pytest

from tests.sources.conftest import Convert
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
ATTACKS = "tests.sources.torch_attacks"
# What is changed, what the message says of it, and whether PyTorch would have run it by itself
# (where it would not, a check of its own comes first, in this release, or nothing is behind it).
CHANGES = {
    "an expression": ("is not a dim's expression", True),
    "an expression of a tensor called metadata": ("is not a dim's expression", True),
    "a guard": ("is not a guard", True),
    "a guard in its message": ("is not a guard", True),
    "an op": ("'torch.os.mkdir' is not an op", False),
    "a name": ("is not a name", True),
    "an enum": ("is not the nesting of inputs", False),
    "a compiled library": ("brings compiled code", False),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_pytorch_would_run_is_refused(
    torch_worker: Worker, convert: Convert, tmp_path: Path, change: str
) -> None:
    trap = tmp_path / "trap"
    made = {"path": tmp_path / "tiny.pt2", "change": change, "trap": trap}
    path = torch_worker.call(f"{ATTACKS}:change_program", str, **made)
    says, runs = CHANGES[change]
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, path)
    assert "nothing of it was run: " in caught.value.message
    assert says in caught.value.message
    assert not trap.exists()
    torch_worker.call(f"{ATTACKS}:run_program", str, path=path)
    assert trap.exists() >= runs


def test_an_honest_program_is_let_through(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    made = {"path": tmp_path / "tiny.pt2", "change": "nothing", "trap": tmp_path / "trap"}
    path = torch_worker.call(f"{ATTACKS}:change_program", str, **made)
    convert(torch_worker, path).check_numbers()
