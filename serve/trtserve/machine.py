"""Gauges of the machine: processors and memory from /proc, GPUs from the driver's NVML.

Names, units and labels are those of Triton's metrics (core/src/metrics.cc). What cannot be read
is left out. Source of the NVML calls and structures: nvml.h, whose numbers never change.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

_NVML = "libnvidia-ml.so.1"
_UUID_BYTES = 96
_PROC = Path("/proc")


class Reading(NamedTuple):
    """One value of one metric."""

    metric: str
    value: float
    gpu_uuid: str = ""


# name -> type and help
MACHINE_METRICS = {
    "nv_cpu_utilization": ("gauge", "CPU utilization rate [0.0 - 1.0]"),
    "nv_cpu_memory_total_bytes": ("gauge", "CPU total memory (RAM), in bytes"),
    "nv_cpu_memory_used_bytes": ("gauge", "CPU used memory (RAM), in bytes"),
    "nv_gpu_utilization": ("gauge", "GPU utilization rate [0.0 - 1.0)"),
    "nv_gpu_memory_total_bytes": ("gauge", "GPU total memory, in bytes"),
    "nv_gpu_memory_used_bytes": ("gauge", "GPU used memory, in bytes"),
    "nv_gpu_power_usage": ("gauge", "GPU power usage in watts"),
    "nv_gpu_power_limit": ("gauge", "GPU power management limit in watts"),
    "nv_energy_consumption": ("counter", "GPU energy consumption in joules since the driver was"
                                         " loaded"),
}  # fmt: skip


class Machine:
    """Reads the gauges; utilization is that between two readings."""

    def __init__(self, proc: Path = _PROC) -> None:
        self._proc = proc
        self._last = self._times()
        self._gpus: list[_Gpu] | None = None  # found at the first reading

    def readings(self) -> Iterator[Reading]:
        """Everything that can be read now."""
        yield from self._processors()
        yield from self._memory()
        if self._gpus is None:
            self._gpus = _gpus()
        for gpu in self._gpus:
            yield from gpu.readings()

    def _times(self) -> tuple[int, int]:
        """Clock ticks of all processors since the start: those that were busy, all."""
        try:
            line = (self._proc / "stat").read_text().partition("\n")[0]
        except OSError:
            return 0, 0
        # user nice system idle iowait irq softirq steal; the rest is counted within these
        ticks = [int(text) for text in line.split()[1:9]]
        return sum(ticks) - sum(ticks[3:5]), sum(ticks)

    def _processors(self) -> Iterator[Reading]:
        busy, total = self._times()
        spent = total - self._last[1]
        if total:
            share = (busy - self._last[0]) / spent if spent > 0 else 0.0
            yield Reading("nv_cpu_utilization", min(1.0, max(0.0, share)))
        self._last = (busy, total)

    def _memory(self) -> Iterator[Reading]:
        try:
            lines = (self._proc / "meminfo").read_text().splitlines()
        except OSError:
            return
        kib = {name: int(rest.split()[0]) for name, _, rest in (ln.partition(":") for ln in lines)}
        yield Reading("nv_cpu_memory_total_bytes", kib["MemTotal"] * 1024)
        yield Reading("nv_cpu_memory_used_bytes", (kib["MemTotal"] - kib["MemAvailable"]) * 1024)


class _Memory(ctypes.Structure):
    _fields_ = (("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong),
                ("used", ctypes.c_ulonglong))  # fmt: skip


class _Utilization(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


class _Gpu:
    """One GPU that NVML knows."""

    def __init__(self, nvml: ctypes.CDLL, handle: ctypes.c_void_p) -> None:
        self._nvml = nvml
        self._handle = handle
        name = ctypes.create_string_buffer(_UUID_BYTES)
        nvml.nvmlDeviceGetUUID(handle, name, _UUID_BYTES)
        self.uuid = name.value.decode()

    def readings(self) -> Iterator[Reading]:
        """What this GPU has a value of."""
        memory, load = _Memory(), _Utilization()
        if self._ask("nvmlDeviceGetUtilizationRates", load):
            yield self._reading("nv_gpu_utilization", load.gpu / 100)
        if self._ask("nvmlDeviceGetMemoryInfo", memory):
            yield self._reading("nv_gpu_memory_total_bytes", memory.total)
            yield self._reading("nv_gpu_memory_used_bytes", memory.used)
        milli = 1e-3  # milliwatts and millijoules
        for metric, call, kind in (
            ("nv_gpu_power_usage", "nvmlDeviceGetPowerUsage", ctypes.c_uint),
            ("nv_gpu_power_limit", "nvmlDeviceGetPowerManagementLimit", ctypes.c_uint),
            ("nv_energy_consumption", "nvmlDeviceGetTotalEnergyConsumption", ctypes.c_ulonglong),
        ):
            value = kind()
            if self._ask(call, value):
                yield self._reading(metric, value.value * milli)

    def _ask(self, call: str, into: Any) -> bool:
        function: Callable[..., int] | None = getattr(self._nvml, call, None)
        return function is not None and function(self._handle, ctypes.byref(into)) == 0

    def _reading(self, metric: str, value: float) -> Reading:
        return Reading(metric, value, self.uuid)


def _gpus() -> list[_Gpu]:
    """The GPUs of this machine; none without NVIDIA's driver."""
    try:
        nvml = ctypes.CDLL(_NVML)
    except OSError:
        return []
    count = ctypes.c_uint()
    if nvml.nvmlInit_v2() != 0 or nvml.nvmlDeviceGetCount_v2(ctypes.byref(count)) != 0:
        return []
    found = []
    for index in range(count.value):
        handle = ctypes.c_void_p()
        if nvml.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(handle)) == 0:
            found.append(_Gpu(nvml, handle))
    return found
