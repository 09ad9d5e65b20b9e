"""Text in columns, for terminals and error messages alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trtbuild.printable import printable


def columns(lines: Iterable[Sequence[str]], right: Iterable[int] = ()) -> str:
    """`lines` of cells, each column as wide as its widest cell; those in `right` end together.

    Cells are made printable: the width is what is shown.
    """
    lines = [tuple(map(printable, line)) for line in lines]
    ends = set(right)
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i in ends else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
