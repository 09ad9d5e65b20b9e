from hypothesis import given
from hypothesis import strategies as st

from trtbuild.columns import columns


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    lines = [("NAME", "SIZE", "X"), ("a", "10", "y"), ("longer", "5", "")]
    assert columns(lines, right=[1]).splitlines() == [
        "NAME    SIZE  X",
        "a         10  y",
        "longer     5",
    ]
    assert columns([]) == ""


@given(st.lists(st.tuples(st.text("ab", max_size=9), st.text("cd", max_size=9)), min_size=1))
def test_every_cell_is_there_whole(lines: list[tuple[str, str]]) -> None:
    drawn = columns(lines).split("\n")
    assert len(drawn) == len(lines)
    for line, cells in zip(drawn, lines, strict=True):
        assert all(cell in line for cell in cells)
