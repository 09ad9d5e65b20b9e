"""The table of docs/onnx-coverage.md and the known results, from what a run of the tests gave.

    python -m tests.backend.report RUN.jsonl [LATER.jsonl ...] 10.6.0.26 1.23.0 H200

writes tests/backend/results.json, which `test_onnx_backend` holds a GPU to, and the page from it.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tests.backend.run_suite import all_tests, outcome_of
from tests.backend.suite import Outcome

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests/backend/results.json"
PAGE = ROOT / "docs/onnx-coverage.md"
_KINDS = {
    "node": "node tests",
    "real": "whole nets",
    "simple": "simple models",
    "pytorch-converted": "PyTorch's layers",
    "pytorch-operator": "PyTorch's operators",
}
_COLUMNS = ("right", "rounded", "random", "refused", "wrong", "failed")
_NOT_RUN = "not run"
_FAILED = ("error", "lost")  # a bug of ours, or a process that is gone


RIGHT = ("right", "rounded", "random")


class Known(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one test: the part of an outcome that does not change from run to run."""

    status: str
    op: str
    types: tuple[str, ...]
    reason: str = ""


class Results(msgspec.Struct, frozen=True):
    """Of one release of TensorRT and of onnx, on one GPU."""

    tensorrt: str
    onnx: str
    gpu: str
    tests: dict[str, Known]  # "node/test_abs"


def known_of(outcome: Outcome) -> Known:
    """`outcome` without figures that a run may change."""
    status = "failed" if outcome.status in _FAILED else outcome.status
    reason = "" if status == "wrong" else _settled(outcome.reason)
    return Known(status, op_of(outcome), outcome.types, reason)


def stopped_being_right(known: Results, outcomes: Iterable[Outcome]) -> list[str]:
    """The tests that were right and are not any more, each with what it is now."""
    now = {f"{one.kind}/{one.name}": known_of(one) for one in outcomes}
    return [
        f"{name}: {now[name].status} {now[name].reason}"
        for name, was in known.tests.items()
        if was.status in RIGHT and name in now and now[name].status not in RIGHT
    ]


def op_of(outcome: Outcome) -> str:
    """The op that a test is of: its only one, or the one that its name tells."""
    if len(outcome.ops) == 1:
        return outcome.ops[0]
    if outcome.kind == "node" and (name := re.match(r"test_(\w+?)_expanded", outcome.name)):
        return f"{name[1].split('_')[0]}: its definition"
    return "several"


def _settled(reason: str) -> str:
    """A reason without what differs from test to test: names and sizes."""
    text = re.sub(r"'[^']*'", "it", reason.split("\n", maxsplit=1)[0])
    text = re.sub(r"tensorrt(-rtx)? [\d.]+:? ?", "", text)
    return re.sub(r"\s+", " ", text).strip()[:160]


def read(path: Path = RESULTS) -> Results:
    """The committed results."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def page_of(results: Results) -> str:
    """docs/onnx-coverage.md."""
    tests = results.tests
    ran = {name: known for name, known in tests.items() if known.status != _NOT_RUN}
    columns = _COLUMNS if len(ran) == len(tests) else (*_COLUMNS, _NOT_RUN)
    intro = (
        f"ONNX's own backend tests (onnx {results.onnx}) through `trtbuild.backend`, on TensorRT "
        f"{results.tensorrt} and one {results.gpu}: each answer was compared with ONNX's, within "
        "the tolerance of ONNX's runner. `rounded`: beyond it, by no more than 4 units of the "
        "data type at the largest value (0.1 % is less than two units of fp16), or an integer "
        "that ONNX's reference gives too where inputs differ by a unit of their type. `random`: "
        "an op whose answer is drawn, of the right shape and type. `failed`: neither an answer nor "
        "a refusal. `make gpu-test` runs all of them again: none may be wrong or fail, and none "
        "that was right stop being so."
    )
    parts = [
        "# What of ONNX TensorRT computes right",
        "",
        "<!-- written by tests/backend/report.py -->",
        "",
        *textwrap.wrap(intro, 120),
        "",
        _table(
            ("tests", *columns),
            [
                *((title, *_counts(tests, kind, columns)) for kind, title in _KINDS.items()),
                (f"all {len(tests)}", *_counts(tests, "", columns)),
            ],
        ),
        "",
        "## By data type",
        "",
        _table(("types in and out", *_COLUMNS), _by_types(ran)),
        "",
        "## By op",
        "",
        _table(("op", *_COLUMNS, "why refused"), _by_op(ran)),
        "",
    ]
    return "\n".join(parts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    counted = (*_COLUMNS, _NOT_RUN)
    lines = [head, tuple("---:" if name in counted else "---" for name in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _counts(tests: dict[str, Known], kind: str, columns: tuple[str, ...]) -> tuple[str, ...]:
    count = Counter(known.status for name, known in tests.items() if name.startswith(kind))
    return tuple(str(count[status]) for status in columns)


def _by_types(tests: dict[str, Known]) -> list[tuple[str, ...]]:
    counts: dict[str, Counter[str]] = {}
    for known in tests.values():
        counts.setdefault(", ".join(known.types), Counter())[known.status] += 1
    order = sorted(counts, key=lambda types: (-counts[types].total(), types))
    return [(types, *(str(counts[types][s]) for s in _COLUMNS)) for types in order]


def _by_op(tests: dict[str, Known]) -> list[tuple[str, ...]]:
    counts: dict[str, Counter[str]] = {}
    reasons: dict[str, Counter[str]] = {}
    for known in tests.values():
        counts.setdefault(known.op, Counter())[known.status] += 1
        if known.reason:
            reasons.setdefault(known.op, Counter())[known.reason] += 1
    return [
        (op, *(str(counts[op][status]) for status in _COLUMNS), _why(reasons.get(op, Counter())))
        for op in sorted(counts)
    ]


def _why(reasons: Counter[str]) -> str:
    return "; ".join(f"{text} ({count})" for text, count in reasons.most_common()).replace("|", "/")


def _text_of(results: Results) -> str:
    """JSON with a line for each test."""
    facts = msgspec.to_builtins(results)
    tests = facts.pop("tests")
    lines = [f"{json.dumps(name)}: {json.dumps(known)}" for name, known in tests.items()]
    head = json.dumps(facts).removesuffix("}")
    return head + ', "tests": {\n' + ",\n".join(lines) + "\n}}\n"


def main() -> None:
    """Write both from the lines of runs, of which later ones count; who ran in none says so."""
    *paths, tensorrt, onnx, gpu = sys.argv[1:]
    lines = [line for path in paths for line in Path(path).read_bytes().splitlines()]
    tests = {f"{kind}/{name}": Known(_NOT_RUN, "", ()) for kind, name, _ in all_tests("run")}
    tests |= {f"{one.kind}/{one.name}": known_of(one) for one in map(outcome_of, lines)}
    results = Results(tensorrt, onnx, gpu, dict(sorted(tests.items())))
    RESULTS.write_text(_text_of(results))
    PAGE.write_text(page_of(results))


if __name__ == "__main__":
    main()
