"""A verification as text, and the gate that a conversion passes only with it. Light."""

from __future__ import annotations

from trtbuild.artifacts import Comparison, VerifyReport
from trtbuild.columns import columns
from trtbuild.errors import VerificationError

HEADER = ("COMPARED", "SHAPES", "OUTPUT", "MAX ABS", "MAX REL", "COSINE", "WORST ELEMENT", "RESULT")


_SHOWN = 40  # rows: a model with hundreds of outputs is read by --json


def rows(report: VerifyReport) -> list[tuple[str, ...]]:
    """One row an output and pair, in the columns of `HEADER`: the shapes that did worst."""
    return [_row(comparison) for comparison in worst_by_output(report)]


def worst_by_output(report: VerifyReport) -> list[Comparison]:
    """Of each output and pair the worst comparison, pairs of one output side by side."""
    worst: dict[str, dict[str, Comparison]] = {}
    for one in report.comparisons:
        pairs = worst.setdefault(one.tensor, {})
        if one.pair not in pairs or _badness(one) > _badness(pairs[one.pair]):
            pairs[one.pair] = one
    return [one for pairs in worst.values() for one in pairs.values()]


def _badness(one: Comparison) -> tuple[bool, float]:
    """Shapes have scales of their own, so a difference counts by its part of the tolerance."""
    return not one.passed, one.max_abs / one.atol if one.atol else one.max_abs


def _row(one: Comparison) -> tuple[str, ...]:
    index = ", ".join(map(str, one.worst_index))
    worst = f"[{index}]: {one.worst[0]} -> {one.worst[1]}" if one.worst_index else ""
    result = "ok" if one.passed else one.problem or "too far"
    result += f" ({one.rule})" if one.rule else ""
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
    """The rows under their header, in columns; of very many those that failed come first."""
    found = worst_by_output(report)
    if len(found) <= _SHOWN:
        return columns([HEADER, *map(_row, found)])
    found.sort(key=lambda one: one.passed)
    shown, left = found[:_SHOWN], found[_SHOWN:]
    failed = sum(not one.passed for one in left)
    return f"{columns([HEADER, *map(_row, shown)])}\nand {len(left)} more, {failed} of them failed"


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
