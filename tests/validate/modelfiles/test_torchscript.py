"""The arguments of `forward`, from a file that torch itself wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.validate.modelfiles_made import make
from trtbuild.validate.modelfiles.interface import DamagedFileError
from trtbuild.validate.modelfiles.torchscript import Call, forward_call

WRITE = """
import sys, torch
class Inner(torch.nn.Module):
    def forward(self, z):
        return z * 2
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = Inner()
    def forward(self, image: torch.Tensor, mask: torch.Tensor):
        return self.inner(image) + mask
torch.jit.script(Net()).save(sys.argv[1])
class Dictionary(torch.nn.Module):
    def forward(self, tensors: dict[str, torch.Tensor]):
        return tensors["a"] + tensors["b"]
torch.jit.script(Dictionary()).save(sys.argv[2])
"""


@pytest.mark.slow
def test_of_a_scripted_module(tmp_path: Path) -> None:
    path, dictionary = tmp_path / "model.pt", tmp_path / "dictionary.pt"
    source = tmp_path / "source.py"  # a file: torch.jit reads the code it compiles
    source.write_text(WRITE)
    # In a process of its own: torch's warnings about TorchScript are not ours.
    subprocess.run([sys.executable, "-W", "ignore", source, path, dictionary], check=True)
    assert forward_call(path) == Call(("image", "mask"), takes_dictionary=False)
    assert forward_call(dictionary) == Call(("tensors",), takes_dictionary=True)


def test_of_the_tests_own_maker(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(make("forward(image, mask)"))
    assert forward_call(path) == Call(("image", "mask"), takes_dictionary=False)


@pytest.mark.parametrize(
    "content", [b"", b"\x80\x02.", make("forward(x)")[:-30], b"PK\x05\x06" + bytes(18)]
)
def test_damage_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        forward_call(path)
