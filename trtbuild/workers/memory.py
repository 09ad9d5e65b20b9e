"""Whether the system kills processes for want of memory."""

from __future__ import annotations

from pathlib import Path

# Of the whole machine, and of the memory limit of this process's container (cgroup v2 as it is
# mounted inside one). Source: the kernel's Documentation/admin-guide/cgroup-v2.rst, vmstat.c.
_COUNTERS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))


def out_of_memory_kills(counters: tuple[Path, ...] = _COUNTERS) -> int:
    """How many processes the kernel has killed so far; 0 where it does not tell."""
    return sum(_kills(path) for path in counters)


def _kills(counters: Path) -> int:
    try:
        lines = counters.read_text().splitlines()
    except OSError:
        return 0
    return sum(
        int(count) for name, _, count in (s.partition(" ") for s in lines) if name == "oom_kill"
    )
