"""The structure of AOTInductor's packages, from files that torch itself wrote and from lies."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.validate.modelfiles_made import make
from trtbuild.validate.modelfiles.aoti import Structure, read_structure
from trtbuild.validate.modelfiles.interface import DamagedFileError

COMPILE = """
import sys, torch
class Net(torch.nn.Module):
    def forward(self, image, pair, *, scale):
        return {"sum": pair["a"] + scale, "image": image * 2}
ones = torch.ones(4)
program = torch.export.export(Net(), (ones, {"a": ones, "b": ones}), {"scale": ones})
torch.export.save(program, sys.argv[1])
torch._inductor.aoti_compile_and_package(
    program, package_path=sys.argv[2],
    inductor_configs={"aot_inductor.compile_wrapper_opt_level": "O0", "compile_threads": 1},
)
spec = torch._inductor.aoti_load_package(sys.argv[2]).loader.get_call_spec()
open(sys.argv[3], "w").write("\\n".join(spec))
try:
    torch._inductor.aoti_load_package(sys.argv[1])
except RuntimeError as error:
    assert "Failed to find a generated cpp file or so file" in str(error)
else:
    raise SystemExit("torch loads an exported program as a package")
"""


@pytest.mark.slow  # it compiles C++
def test_of_packages_that_torch_wrote(tmp_path: Path) -> None:
    exported, compiled, spec = (tmp_path / name for name in ("e.pt2", "c.pt2", "spec"))
    # In a process of its own: torch's warnings are not ours.
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMPILE, exported, compiled, spec], check=True
    )
    structure = read_structure(compiled)
    assert structure == Structure(
        ("ARGS[0]", "ARGS[1][a]", "ARGS[1][b]", "KWARGSscale"), ("RESULT[sum]", "RESULT[image]")
    )
    # The same text that torch's own loader reads.
    inputs, outputs = spec.read_text().split("\n")
    assert read_structure(rewritten(tmp_path, inputs, outputs)) == structure
    with pytest.raises(DamagedFileError, match="an exported program that is not compiled yet"):
        read_structure(exported)


def package(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def source(inputs: str, outputs: str) -> bytes:
    return f'  in_spec_ = R"({inputs})";\n  out_spec_ = R"({outputs})";\n'.encode()


SOURCE = "m/data/aotinductor/model/c.wrapper.cpp"
LEAF: dict[str, Any] = {"type": None, "context": None, "children_spec": []}


def rewritten(tmp_path: Path, inputs: str, outputs: str) -> Path:
    path = tmp_path / "model.pt2"
    path.write_bytes(package({SOURCE: source(inputs, outputs)}))
    return path


def test_of_the_tests_own_maker(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(make("aoti(image, mask, *, scale)"))
    assert read_structure(path) == Structure(("ARGS[0]", "ARGS[1]", "KWARGSscale"), ("RESULT",))


def test_nested_results(tmp_path: Path) -> None:
    pair = {"type": "builtins.list", "context": "null", "children_spec": [LEAF, LEAF]}
    result = {"type": "builtins.tuple", "context": "null", "children_spec": [LEAF, pair]}
    empty = {"type": "builtins.tuple", "context": "null", "children_spec": []}
    none = {"type": "builtins.dict", "context": "[]", "children_spec": []}
    call = {"type": "builtins.tuple", "context": "null", "children_spec": [empty, none]}
    path = rewritten(tmp_path, json.dumps([1, call]), json.dumps([1, result]))
    assert read_structure(path) == Structure((), ("RESULT[0]", "RESULT[1][0]", "RESULT[1][1]"))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"m/models/model.json": b"{}"}, "not compiled yet"),
        ({"serialized_exported_program.json": b"{}"}, "not compiled yet"),
        ({"m/data.pkl": b"", "m/code/__torch__.py": b""}, "TorchScript"),
        ({"readme": b""}, "no compiled model"),
        ({"m/data/aotinductor/policy/c.wrapper.so": b""}, "'policy', and Triton asks for one"),
    ],
)
def test_what_else_a_zip_file_is(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(package(files))
    with pytest.raises(DamagedFileError, match=message):
        read_structure(path)


@pytest.mark.parametrize(
    "content",
    [
        b"not C++",
        source("[]", "[]"),
        source("{", "{"),
        source("[" * 100_000, "[" * 100_000),
        source('[1, {"children_spec": 3}]', "[1, 2]"),
        source(json.dumps([1, {"children_spec": [LEAF]}]), json.dumps([1, LEAF])),
    ],
)
def test_a_structure_that_cannot_be_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(package({SOURCE: content}))
    assert read_structure(path) is None


def test_a_library_without_its_source_tells_nothing(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(package({"m/data/aotinductor/model/c.wrapper.so": b"\x7fELF"}))
    assert read_structure(path) is None


def test_a_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compressed a thousandfold, one line of 80 MB: what is read of it stays bounded."""
    path = tmp_path / "model.pt2"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(SOURCE, "w") as file,
    ):
        for _ in range(80):
            file.write(bytes(1 << 20))
    read = []
    whole = zipfile.ZipExtFile.readline

    def counted(self: zipfile.ZipExtFile, limit: int = -1) -> bytes:
        line = whole(self, limit)
        read.append(len(line))
        return line

    monkeypatch.setattr(zipfile.ZipExtFile, "readline", counted)
    assert path.stat().st_size < 1 << 20
    assert read_structure(path) is None
    assert max(read) <= (1 << 20) + 4096
    assert sum(read) <= 65 << 20


@pytest.mark.parametrize(
    "content", [b"", b"PK\x05\x06" + bytes(18), make("aoti(x)")[:-30]],
    ids=["empty", "no files", "cut off"],
)  # fmt: skip
def test_damage_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        read_structure(path)


def test_sizes_that_lie(tmp_path: Path) -> None:
    """The directory says that the source has other sizes than it has."""
    whole = bytearray(make("aoti(x)"))
    entry = whole.index(b"PK\x01\x02")
    for size in (0, 5, 1 << 30):
        for field in (20, 24):  # compressed, uncompressed
            lying = bytearray(whole)
            lying[entry + field : entry + field + 4] = size.to_bytes(4, "little")
            path = tmp_path / f"{field}-{size}.pt2"
            path.write_bytes(lying)
            try:
                assert read_structure(path) in (None, Structure(("ARGS[0]",), ("RESULT",)))
            except DamagedFileError as error:
                assert str(error)
