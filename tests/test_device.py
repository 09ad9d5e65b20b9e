import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trtbuild import device
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu

# A driver of two GPUs, for machines that have none: the calls and their meaning are cuda.h's.
_DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return FAILS; }
int cuDriverGetVersion(int *v) { *v = 12080; return 0; }
int cuDeviceGetCount(int *n) { *n = COUNT; return 0; }
int cuDeviceGet(int *d, int i) { *d = i + 40; return 0; }
int cuDeviceGetName(char *s, int n, int d) {
    strncpy(s, d == 40 ? "NVIDIA A10" : "NVIDIA L4", n); return 0; }
int cuDeviceGetUuid(unsigned char *u, int d) { memset(u, d, 16); return 0; }
int cuDeviceGetAttribute(int *v, int a, int d) {
    *v = a == 75 ? 8 : a == 76 ? (d == 40 ? 6 : 9) : -1; return 0; }
int cuDeviceTotalMem_v2(unsigned long *n, int d) { *n = 24ul << 30; return 0; }
int cuGetErrorString(int code, const char **s) { *s = "no CUDA-capable device"; return 0; }
"""


def stand_in(tmp_path: Path, fails: int, count: int = 2) -> str:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, library = tmp_path / "driver.c", tmp_path / "libdriver.so"
    source.write_text(_DRIVER)
    defined = [f"-DFAILS={fails}", f"-DCOUNT={count}"]
    command = [compiler, "-shared", "-fPIC", *defined, "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    return str(library)


def test_without_a_driver_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_LIBRARY", "libno-such-driver.so.1")
    assert device.gpus() == Devices()


def test_a_library_that_is_no_driver_is_a_problem_and_no_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "_LIBRARY", "libc.so.6")
    found = device.gpus()
    assert found.gpus == ()
    assert "cuInit" in found.problem


def test_what_the_driver_says_of_each_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_LIBRARY", stand_in(tmp_path, fails=0))
    found = device.gpus()
    uuid = "GPU-28282828-2828-2828-2828-282828282828"
    assert found.gpus[0] == Gpu(0, "NVIDIA A10", uuid, Capability(8, 6), 24 << 30)
    assert [gpu.name for gpu in found.gpus] == ["NVIDIA A10", "NVIDIA L4"]
    assert found.cuda == "12.8"
    assert found.capabilities == (Capability(8, 6), Capability(8, 9))


def test_a_driver_that_refuses_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_LIBRARY", stand_in(tmp_path, fails=100))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert device.gpus().problem == "cuInit answered 100 (no CUDA-capable device)"


def test_a_driver_that_shows_no_gpu_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "_LIBRARY", stand_in(tmp_path, fails=0, count=0))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert device.gpus().problem == (
        "the driver shows no GPU; CUDA_VISIBLE_DEVICES is '-1': unset it, or name GPUs that "
        "nvidia-smi -L lists"
    )


@pytest.mark.parametrize("visible", ["", "7", "MIG-28282828-2828-2828-2828-282828282828"])
def test_what_hides_the_gpus_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str
) -> None:
    monkeypatch.setattr(device, "_LIBRARY", stand_in(tmp_path, fails=100))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device.gpus().problem == (
        f"cuInit answered 100 (no CUDA-capable device); CUDA_VISIBLE_DEVICES is '{visible}': "
        "unset it, or name GPUs that nvidia-smi -L lists"
    )


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Tue Jan 14 02:30:40 UTC",
            "570.86.15",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  535.183.01  Release Build",
            "535.183.01",
        ),
        ("nothing of the kind", ""),
    ],
)
def test_the_drivers_version(tmp_path: Path, text: str, version: str) -> None:
    (tmp_path / "version").write_text(f"{text}\nGCC version: gcc version 12.3.0\n")
    assert device._driver_version(tmp_path / "version") == version
    assert device._driver_version(tmp_path / "absent") == ""


@pytest.mark.parametrize(
    ("visible", "index", "seen"),
    [(None, 1, "1"), ("2,3", 1, "3"), ("GPU-aa, MIG-bb", 1, "MIG-bb"), ("", 0, "0")],
)
def test_a_worker_sees_one_gpu_of_those_its_parent_sees(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, index: int, seen: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpu = Gpu(index, "NVIDIA A10", "GPU-0", Capability(8, 6), 1)
    assert device.visible_only(gpu) == {"CUDA_VISIBLE_DEVICES": seen}


@pytest.mark.gpu
@pytest.mark.skipif(not device.gpus().gpus, reason="no GPU")
@pytest.mark.parametrize("visible", ["", "-1", "99", "MIG-28282828-2828-2828-2828-282828282828"])
def test_the_drivers_own_words_where_gpus_are_hidden(visible: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from trtbuild import device; print(device.gpus())"],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": visible},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "gpus=()" in done.stdout
    assert f"CUDA_VISIBLE_DEVICES is '{visible}': unset it" in done.stdout


@pytest.mark.gpu
@pytest.mark.skipif(not device.gpus().gpus, reason="no GPU")
def test_it_agrees_with_nvidia_smi() -> None:
    query = "--query-gpu=name,uuid,compute_cap,driver_version"
    done = subprocess.run(
        ["nvidia-smi", query, "--format=csv,noheader"], check=True, capture_output=True, text=True
    )
    theirs = [tuple(line.split(", ")) for line in done.stdout.splitlines()]
    found = device.gpus()
    ours = [(gpu.name, gpu.uuid, str(gpu.capability), found.driver) for gpu in found.gpus]
    assert ours == theirs
    assert all(gpu.memory_bytes > 1 << 30 for gpu in found.gpus)
