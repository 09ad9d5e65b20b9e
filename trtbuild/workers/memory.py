"""How much memory there is, and whether the system kills processes for want of it."""

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


_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/proc/meminfo"))
_KEPT = 0.1  # of it, for the parent and whoever else is there


def most_bytes(limits: tuple[Path, ...] = _LIMITS) -> int:
    """What one process may take of the memory that this machine, or container, has; 0: unknown."""
    found = [size for path in limits if (size := _bytes_in(path))]
    return int(min(found, default=0) * (1 - _KEPT))


def _bytes_in(path: Path) -> int:
    try:
        words = path.read_text().split()
    except OSError:
        return 0
    if words[:1] == ["MemTotal:"]:
        return int(words[1]) * 1024
    return int(words[0]) if words and words[0].isdecimal() else 0  # a cgroup may say "max"
