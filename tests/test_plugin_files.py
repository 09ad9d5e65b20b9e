import hashlib
import platform
import struct
from pathlib import Path

import msgspec
import pytest

from trtbuild.errors import PlanError, UsageError
from trtbuild.plugin_files import plugins_from_paths, triton_option

LIBRARY = Path(msgspec._core.__file__)
MACHINES = {"x86_64": 62, "aarch64": 183}


def elf(path: Path, *, bits: int = 2, kind: int = 3, machine: int | None = None) -> Path:
    machine = MACHINES[platform.machine()] if machine is None else machine
    path.write_bytes(struct.pack("<4sBB10xHH", b"\x7fELF", bits, 1, kind, machine) + bytes(99))
    return path


def test_files_come_with_their_digest_each_once(tmp_path: Path) -> None:
    python = tmp_path / "ops.py"
    python.write_text("import tensorrt\n")
    files = plugins_from_paths((LIBRARY, python, LIBRARY))
    assert [file.path for file in files] == [LIBRARY, python]
    assert files[1].digest == hashlib.sha256(b"import tensorrt\n").hexdigest()
    assert [file.is_python for file in files] == [False, True]


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ops.py").write_text("")
    assert plugins_from_paths([Path("ops.py")])[0].path == tmp_path / "ops.py"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--plugins '.*ops.so': no such file") as caught:
        plugins_from_paths([tmp_path / "ops.so"])
    assert "shared library (.so) or a Python file (.py)" in caught.value.hint


@pytest.mark.parametrize(("content", "begins"), [(b"", "nothing"), (b"PK\3\4" * 9, "50 4b 03 04")])
def test_a_file_that_is_no_library(tmp_path: Path, content: bytes, begins: str) -> None:
    path = tmp_path / "ops.so"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=rf"neither a shared .* \(it begins with {begins}\)"):
        plugins_from_paths([path])


def test_a_library_that_was_cut_off(tmp_path: Path) -> None:
    path, whole = tmp_path / "ops.so", LIBRARY.read_bytes()
    path.write_bytes(whole[:17])
    with pytest.raises(PlanError, match="neither a shared library"):
        plugins_from_paths([path])
    for size in (64, 100, 4096, len(whole) // 2):  # opened, each would kill the process
        path.write_bytes(whole[:size])
        with pytest.raises(PlanError, match=rf"was cut off: it has {size} bytes, and \d+ belong"):
            plugins_from_paths([path])


@pytest.mark.parametrize(
    ("bits", "machine", "there"), [(2, 243, "ELF machine 243"), (1, None, "32-bit ")]
)
def test_a_library_for_another_machine(
    tmp_path: Path, bits: int, machine: int | None, there: str
) -> None:
    path = elf(tmp_path / "ops.so", bits=bits, machine=machine)
    with pytest.raises(PlanError, match=rf"compiled for {there}.*; this machine is") as caught:
        plugins_from_paths([path])
    assert caught.value.hint.startswith(f"compile it for {platform.machine()}")


def test_a_program_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="but no shared library"):
        plugins_from_paths([elf(tmp_path / "ops", kind=2)])


def test_how_a_stock_triton_is_started() -> None:
    option = triton_option(["/p/a.so", "/p/b.so"])
    assert option == '--backend-config=tensorrt,plugins="/p/a.so;/p/b.so"'
