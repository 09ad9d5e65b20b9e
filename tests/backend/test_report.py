from collections import Counter
from typing import Any

from tests.backend.report import (
    PAGE,
    Known,
    Results,
    known_of,
    page_of,
    read,
    stopped_being_right,
)
from tests.backend.suite import Outcome


def outcome(name: str, status: str, **facts: Any) -> Outcome:
    given = {"ops": ("Add",), "types": ("fp32",), "opset": 17, **facts}
    return Outcome(name, "node", "run", status, **given)


def results(**statuses: str) -> Results:
    tests = {f"node/{name}": Known(status, "Add", ("fp32",)) for name, status in statuses.items()}
    return Results("10.6.0.26", "1.23.0", "H200", tests)


def test_a_test_that_stops_being_right() -> None:
    known = results(a="right", b="rounded", c="refused", d="right", gone="right")
    now = [
        outcome("a", "rounded"),
        outcome("b", "refused", reason="no Add"),
        outcome("c", "refused"),
        outcome("d", "lost"),
    ]
    assert stopped_being_right(known, now) == ["node/b: refused no Add", "node/d: failed "]


def test_every_outcome_has_a_column() -> None:
    for status in ("right", "rounded", "random", "refused", "wrong", "error", "lost"):
        page = page_of(Results("1", "1", "G", {"node/x": known_of(outcome("x", status))}))
        (row,) = [line for line in page.splitlines() if line.startswith("| all 1 |")]
        assert sum(int(cell) for cell in row.split("|")[2:-1]) == 1


def test_what_did_not_run_is_counted() -> None:
    page = page_of(results(a="right", b="not run", c="not run"))
    (row,) = [line for line in page.splitlines() if line.startswith("| all 3 |")]
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["1", "0", "0", "0", "0", "0", "2"]
    assert page.count("| Add |") == 1
    assert "| Add | 1 | 0 | 0 | 0 | 0 | 0 |" in page


def test_reasons_without_what_differs() -> None:
    reasons = ("tensorrt 10.6.0 does not take Det: no plugin", "input 'x' is fp64: too wide")
    made = [known_of(outcome("x", "refused", reason=reason)).reason for reason in reasons]
    assert made == ["does not take Det: no plugin", "input it is fp64: too wide"]


def test_a_definition_is_told_from_its_op() -> None:
    known = known_of(outcome("test_gelu_tanh_1_expanded", "right", ops=("Mul", "Tanh")))
    assert known.op == "gelu: its definition"


def test_the_page_is_that_of_the_committed_results() -> None:
    known = read()
    assert PAGE.read_text() == page_of(known)
    counts = Counter(entry.status for entry in known.tests.values())
    assert counts["wrong"] == counts["failed"] == 0
    assert all(entry.reason for entry in known.tests.values() if entry.status == "refused")
