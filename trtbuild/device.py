"""The GPUs of this machine, asked of the driver itself (libcuda.so.1); none without a driver.

Nothing here creates a CUDA context, so nothing occupies a GPU. Source of the calls and of the
attribute numbers: the CUDA driver API (cuda.h), whose numbers never change.
"""

from __future__ import annotations

import ctypes
import os
import re
import uuid
from pathlib import Path

import msgspec

from trtbuild.capability import Capability

_LIBRARY = "libcuda.so.1"
_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76  # CUdevice_attribute
_NAME_BYTES, _UUID_BYTES = 256, 16
_DRIVER_FILE = Path("/proc/driver/nvidia/version")

# CUresults that say how the machine is -> what to do about it. Source: cuda.h, NVIDIA's documents.
NEXT_STEPS = {
    2: "the GPU's memory is used up: nvidia-smi shows by whom",
    46: "another process has the GPU for itself: `nvidia-smi -c 0` lets several use it",
    802: "NVIDIA's fabric manager does not run: systemctl start nvidia-fabricmanager",
    803: "the driver was updated under a running kernel: restart the machine",
}


class Gpu(msgspec.Struct, frozen=True):
    """One GPU that CUDA programs started from here can use."""

    index: int  # among those visible to this process
    name: str  # "NVIDIA A10"
    uuid: str
    capability: Capability
    memory_bytes: int


class Devices(msgspec.Struct, frozen=True):
    """What the driver says of this machine."""

    gpus: tuple[Gpu, ...] = ()
    driver: str = ""  # "570.86.15"; empty where it is not known
    cuda: str = ""  # the newest CUDA the driver serves: "12.8"; empty without a driver
    problem: str = ""  # why a driver that is there cannot be used

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """Those of the GPUs, ascending, each once."""
        return tuple(sorted({gpu.capability for gpu in self.gpus}))


class _DriverError(Exception):
    pass


def gpus() -> Devices:
    """The GPUs of this machine. Never raises: without a driver there are none."""
    try:
        cuda = ctypes.CDLL(_LIBRARY)
    except OSError:
        return Devices()
    driver = _driver_version(_DRIVER_FILE)
    try:
        _call(cuda, "cuInit", 0)
        found = tuple(_gpu(cuda, index) for index in range(_count(cuda)))
        problem = "" if found else f"the driver shows no GPU{_restricted()}"
        return Devices(found, driver, _cuda_version(cuda), problem)
    except (_DriverError, AttributeError) as error:  # AttributeError: a driver without that call
        return Devices(driver=driver, problem=f"{error}{_restricted()}")


def _restricted() -> str:
    """What else may be to blame where the driver finds no GPU."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return ""
    return f"; CUDA_VISIBLE_DEVICES is '{visible}': unset it, or name GPUs that nvidia-smi -L lists"


def visible_only(gpu: Gpu) -> dict[str, str]:
    """The environment in which a process sees `gpu` alone, as its GPU 0."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in visible.split(",") if name.strip()]
    name = names[gpu.index] if gpu.index < len(names) else str(gpu.index)
    return {"CUDA_VISIBLE_DEVICES": name}


def _gpu(cuda: ctypes.CDLL, index: int) -> Gpu:
    device = ctypes.c_int()
    _call(cuda, "cuDeviceGet", ctypes.byref(device), index)
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _call(cuda, "cuDeviceGetName", name, _NAME_BYTES, device)
    identity = (ctypes.c_ubyte * _UUID_BYTES)()
    _call(cuda, "cuDeviceGetUuid", identity, device)
    memory = ctypes.c_size_t()
    _call(cuda, "cuDeviceTotalMem_v2", ctypes.byref(memory), device)
    return Gpu(
        index,
        name.value.decode(errors="replace"),
        f"GPU-{uuid.UUID(bytes=bytes(identity))}",
        Capability(
            _attribute(cuda, device, _CAPABILITY_MAJOR), _attribute(cuda, device, _CAPABILITY_MINOR)
        ),
        memory.value,
    )


def _attribute(cuda: ctypes.CDLL, device: ctypes.c_int, number: int) -> int:
    value = ctypes.c_int()
    _call(cuda, "cuDeviceGetAttribute", ctypes.byref(value), number, device)
    return value.value


def _count(cuda: ctypes.CDLL) -> int:
    count = ctypes.c_int()
    _call(cuda, "cuDeviceGetCount", ctypes.byref(count))
    return count.value


def _cuda_version(cuda: ctypes.CDLL) -> str:
    version = ctypes.c_int()
    _call(cuda, "cuDriverGetVersion", ctypes.byref(version))
    return f"{version.value // 1000}.{version.value % 1000 // 10}"


def _driver_version(file: Path) -> str:
    try:
        match = re.search(r"\s(\d{3,}(?:\.\d+)+)\s", file.read_text(errors="replace"))
    except OSError:
        return ""  # containers and WSL need not show it
    return match[1] if match else ""


def _call(cuda: ctypes.CDLL, name: str, *arguments: object) -> None:
    code = getattr(cuda, name)(*arguments)
    if code != 0:
        step = f": {NEXT_STEPS[code]}" if code in NEXT_STEPS else ""
        raise _DriverError(f"{name} answered {code}{_error_text(cuda, code)}{step}")


def _error_text(cuda: ctypes.CDLL, code: int) -> str:
    text = ctypes.c_char_p()
    if cuda.cuGetErrorString(code, ctypes.byref(text)) == 0 and text.value:
        return f" ({text.value.decode(errors='replace')})"
    return ""
