"""Gauges of the machine: from files that look like /proc, and from the real one."""

from pathlib import Path

import pytest
from trtserve.machine import MACHINE_METRICS, Machine


def stat(proc: Path, *ticks: int) -> None:
    (proc / "stat").write_text(f"cpu  {' '.join(map(str, ticks))} 7 7\ncpu0 1 2 3\n")


def test_utilization_is_that_between_two_readings(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 1000 kB\nMemFree: 1 kB\nMemAvailable: 600 kB\n")
    stat(tmp_path, 10, 0, 10, 100, 0, 0, 0, 0)
    machine = Machine(tmp_path)
    stat(tmp_path, 20, 0, 20, 150, 10, 0, 0, 0)  # 20 busy, 60 idle or waiting for a disk
    found = {reading.metric: reading.value for reading in machine.readings()}
    assert found["nv_cpu_utilization"] == pytest.approx(0.25)
    assert found["nv_cpu_memory_total_bytes"] == 1000 * 1024
    assert found["nv_cpu_memory_used_bytes"] == 400 * 1024
    again = {reading.metric: reading.value for reading in machine.readings()}
    assert again["nv_cpu_utilization"] == 0  # no time has passed


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    metrics = [reading.metric for reading in Machine(tmp_path).readings()]
    assert not [name for name in metrics if name.startswith("nv_cpu_")]


def test_the_real_machine() -> None:
    readings = list(Machine().readings())
    found = {reading.metric: reading.value for reading in readings}
    assert 0 <= found["nv_cpu_utilization"] <= 1
    assert 0 < found["nv_cpu_memory_used_bytes"] < found["nv_cpu_memory_total_bytes"]
    assert set(found) <= set(MACHINE_METRICS)
    for reading in readings:
        assert bool(reading.gpu_uuid) == reading.metric.startswith(("nv_gpu_", "nv_energy_"))
