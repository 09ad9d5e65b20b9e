from pathlib import Path

from trtbuild.workers.memory import most_bytes, out_of_memory_kills


def test_counts_of_both_places_are_added(tmp_path: Path) -> None:
    (tmp_path / "vmstat").write_text("nr_free_pages 1\noom_kill 2\nswap_ra 0\n")
    (tmp_path / "events").write_text("low 0\noom 7\noom_kill 1\noom_group_kill 5\n")
    assert out_of_memory_kills((tmp_path / "vmstat", tmp_path / "events")) == 3


def test_who_does_not_tell_counts_nothing(tmp_path: Path) -> None:
    assert out_of_memory_kills((tmp_path / "absent",)) == 0


def test_this_machine_can_be_asked() -> None:
    assert out_of_memory_kills() >= 0


def test_what_a_process_may_take(tmp_path: Path) -> None:
    machine, group = tmp_path / "meminfo", tmp_path / "memory.max"
    machine.write_text("MemTotal:       1000 kB\nMemFree: 1 kB\n")
    assert most_bytes((group, machine)) == 921600
    group.write_text("max\n")
    assert most_bytes((group, machine)) == 921600
    group.write_text("100000\n")
    assert most_bytes((group, machine)) == 90000
    assert most_bytes(()) == 0
