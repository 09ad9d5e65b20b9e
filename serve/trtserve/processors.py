"""The processors that this process may use, which are seldom all that the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/cpu.max")
_CPUS = Path("/sys/devices/system/cpu")


def processors(cgroup: Path = _CGROUP) -> float:
    """How many processors this process may use: those it may run on, and its cgroup's quota.

    With fewer than two, whoever stays awake keeps from running what it waits for.
    """
    count = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1)
    try:
        quota, period = cgroup.read_text().split()
        return count if quota == "max" else min(count, int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):  # no cgroup of version 2, or none with a quota
        return count


def cores(cpus: Path = _CPUS, cgroup: Path = _CGROUP) -> int:
    """As `processors`, in whole cores: hyper-threads of one take turns at its arithmetic units.

    0 where the system does not say which this process may run on.
    """
    if not hasattr(os, "sched_getaffinity"):
        return 0
    own = {_siblings(cpus / f"cpu{number}") for number in os.sched_getaffinity(0)}
    return max(1, min(len(own), int(processors(cgroup))))


def _siblings(cpu: Path) -> str:
    """Which processors share a core with this one."""
    try:
        return (cpu / "topology/thread_siblings_list").read_text()
    except OSError:
        return cpu.name
