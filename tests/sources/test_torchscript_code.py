"""Every way to an op that TorchScript's own compiler takes is refused before it is compiled."""

from pathlib import Path

import pytest

from tests.sources.conftest import Convert
from trtbuild.errors import SourceError
from trtbuild.tensor import input_override_from_text
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
ATTACKS = "tests.sources.torch_attacks"
X = (input_override_from_text("x=fp32[batch,4]"),)
# How the code reaches torch.save; "|" is a new line.
WAYS = [
    "torch.save",
    "torch . save",
    "(torch. # a comment.|  save)",
    "ops.aten.save",
    "getattr(torch, 'save')",
    "t = torch|t.save",
    "f = torch.save|f",
    "o = ops|o.aten.save",
]


@pytest.mark.parametrize("at_loading", [False, True], ids=["at running", "at loading"])
@pytest.mark.parametrize("way", WAYS)
def test_a_file_is_not_written(
    torch_worker: Worker, convert: Convert, tmp_path: Path, way: str, at_loading: bool
) -> None:
    trap = tmp_path / "trap"
    made = {"way": way, "path": tmp_path / "net.pt", "trap": trap, "at_loading": at_loading}
    path = torch_worker.call(f"{ATTACKS}:save", str, **made)
    with pytest.raises(SourceError, match=r"nothing of it was run: save \(code/__torch__.*\.py,"):
        convert(torch_worker, path, overrides=X)
    assert not trap.exists()
    assert torch_worker.call(f"{ATTACKS}:run_script", str, path=path) == ""
    assert trap.exists()  # PyTorch itself has nothing against it


def test_a_source_that_is_trusted_does_what_it_does(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    trap = tmp_path / "trap"
    made = {"way": "torch.save", "path": tmp_path / "net.pt", "trap": trap, "at_loading": False}
    path = torch_worker.call(f"{ATTACKS}:save", str, **made)
    convert(torch_worker, path, overrides=X, trust_source=True)
    assert trap.exists()


def test_what_the_registry_names_is_refused(torch_worker: Worker) -> None:
    words = torch_worker.call(f"{ATTACKS}:refused_words", list[str])
    assert {"save", "from_file", "rpc_sync", "c10d", "PythonOp"} <= set(words)
    assert not {"relu", "cat", "aten", "cuda", "load_state_dict", "einsum"} & set(words)


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = torch.from_file('/etc/passwd')", ["from_file"]),
        ("rpc_async('other', f)", ["rpc_async"]),
        ("y = ops.c10d.send(x)", ["c10d"]),
        ("q : __torch__.torch.classes.aoti.Loader", ["classes.aoti"]),
        ("c = torch.classes", ["classes."]),
        ("q : __torch__.torch.classes.quantized.Conv2dPackedParamsBase", []),
        ("raise_('cannot save the file.')", []),
        ("getattr(self, '0').weight", []),
        ("getattr(t, '\\163ave')", ["save"]),
        ("saved = torch.relu(save)", []),
    ],
)
def test_words(torch_worker: Worker, code: str, found: list[str]) -> None:
    assert torch_worker.call(f"{ATTACKS}:found_in_code", list[str], code=code) == found
