"""A verification as text, and the gate that a conversion passes only with it. Light."""

from __future__ import annotations

from trtbuild.artifacts import Comparison, VerifyReport
from trtbuild.columns import columns
from trtbuild.errors import VerificationError

HEADER = ("COMPARED", "SHAPES", "OUTPUT", "MAX ABS", "MAX REL", "COSINE", "WORST ELEMENT", "RESULT")


def rows(report: VerifyReport) -> list[tuple[str, ...]]:
    """One row a comparison, in the columns of `HEADER`."""
    return [_row(comparison) for comparison in report.comparisons]


def _row(one: Comparison) -> tuple[str, ...]:
    index = ", ".join(map(str, one.worst_index))
    worst = f"[{index}]: {one.worst[0]} -> {one.worst[1]}" if one.worst_index else ""
    result = "ok" if one.passed else one.problem or "too far"
    return (
        one.pair,
        one.point,
        one.tensor,
        f"{one.max_abs:.2e}",
        f"{one.max_rel:.2e}",
        f"{one.cosine:.6f}",
        worst,
        result,
    )


def table(report: VerifyReport) -> str:
    """The rows under their header, in columns."""
    return columns([HEADER, *rows(report)])


def gate(report: VerifyReport, notes: tuple[str, ...] = ()) -> None:
    """Raise `VerificationError` with the table when a comparison failed.

    `notes` of the exporter may say why, so they stand below it.
    """
    failed = [one for one in report.comparisons if not one.passed]
    if not failed:
        return
    first = failed[0]
    tolerance = f"atol {first.atol:.3g} + rtol {first.rtol:.3g} * |reference|"
    raise VerificationError(
        f"{len(failed)} of {len(report.comparisons)} comparisons are over the tolerance "
        f"({tolerance}), the first '{first.pair}' in '{first.tensor}'\n{table(report)}"
        + "".join(f"\nnote: {note}" for note in notes),
        "where --precision is to blame, keep a higher one; a model that branches on its data or "
        "draws random numbers exports as one of its runs; give --rtol and --atol if the difference "
        "is acceptable, or --no-verify",
    )
