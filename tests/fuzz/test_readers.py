"""Damaged files: refused with a reason or read, never a bug of ours (exit 3)."""

import pytest

from tests.fuzz.readers import READERS, run

# A framework loads each of its files anew, which takes a tenth of a second: fewer of these.
SLOW = ("savedmodel", "keras", "h5", "torchscript", "exported")


@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_the_files_fault(name: str) -> None:
    count = 50 if name in SLOW else 200
    tally = run(name, count)
    assert tally.bugs == {}
    assert sum(tally.ends.values()) == count
    assert tally.ends.get("refused", 0) + tally.ends.get("read", 0) > count / 2
