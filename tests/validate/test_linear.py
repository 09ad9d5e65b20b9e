"""Validation takes time in proportion to an ensemble's steps, whatever is wrong with them.

What is counted is the lines that Python runs and the characters that are said, not seconds: twice
the steps may take twice as many. Sound, in reverse, unwritten, unread, missing, in circles.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from tests.validate.files import files_of, write
from trtbuild.validate.run import Report, validate
from trtbuild.validate.settings import Settings

_STEPS = 200
_MEMBER = """-- p/config.pbtxt --
backend: "python"
input { name: "a" data_type: TYPE_FP32 dims: [4] optional: true }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
-- p/1/model.py --
-- d/config.pbtxt --
backend: "python"
model_transaction_policy { decoupled: true }
input { name: "a" data_type: TYPE_FP32 dims: [4] }
output { name: "b" data_type: TYPE_FP32 dims: [4] }
-- d/1/model.py --
"""
Step = tuple[str, list[str], list[str]]  # member, what it reads, what it writes


def chain(count: int) -> list[Step]:
    return [("p", [f"t{number}"], [f"t{number + 1}"]) for number in range(count)]


# Name -> (inputs, outputs, steps) of an ensemble of so many steps.
ENSEMBLES: dict[str, Callable[[int], tuple[list[str], list[str], list[Step]]]] = {
    "chain": lambda n: (["t0"], [f"t{n}"], chain(n)),
    "chain, last step first": lambda n: (["t0"], [f"t{n}"], chain(n)[::-1]),
    "every tensor is an output": lambda n: (["t0"], [f"t{i}" for i in range(n + 1)], chain(n)),
    "nobody writes the first": lambda n: (["x"], [f"t{i}" for i in range(n + 1)], chain(n)),
    "nobody writes any": lambda n: (
        ["x"], ["y"], [("p", [f"a{i}"], [f"b{i}"]) for i in range(n)]),
    "nobody reads any": lambda n: (
        [f"x{i}" for i in range(n)], ["y"], [("p", ["x0"], [f"b{i}"]) for i in range(n)]),
    "all wait for all": lambda n: (
        ["x"], ["y"], [*chain(n), ("p", [f"t{n}"], ["t0"])]),
    "members are missing": lambda n: (
        ["t0"], [f"t{n}"], [(f"q{i}", *step[1:]) for i, step in enumerate(chain(n))]),
    "it contains itself": lambda n: (
        ["t0"], [f"t{n}"], [("e", *step[1:]) for step in chain(n)]),
    "decoupled members": lambda n: (
        ["t0"], [f"t{n}"], [("d", *step[1:]) for step in chain(n)]),
    "one is read by all": lambda n: (
        ["x"], [f"b{i}" for i in range(n)], [("p", ["x"], [f"b{i}"]) for i in range(n)]),
    "one is written by all": lambda n: (
        ["x"], ["y"], [("p", ["x"], ["y"]) for _ in range(n)]),
    "one writes for all": lambda n: (
        ["x"], ["y"], [("p", ["x"], [f"t{i}" for i in range(n)])]),
    "no versions": lambda n: (
        ["t0"], [f"t{n}"], [("p", [], []) for _ in range(n)]),
}  # fmt: skip


def repository(root: Path, inputs: list[str], outputs: list[str], steps: list[Step]) -> Path:
    tensor = 'name: "{}" data_type: TYPE_FP32 dims: [4]'
    lines = ['platform: "ensemble"']
    lines += [f"input {{ {tensor.format(name)} }}" for name in inputs]
    lines += [f"output {{ {tensor.format(name)} }}" for name in outputs]
    lines.append("ensemble_scheduling {")
    for member, reads, writes in steps:
        maps = [f'input_map {{ key: "a{i or ""}" value: "{t}" }}' for i, t in enumerate(reads)]
        maps += [f'output_map {{ key: "b{i or ""}" value: "{t}" }}' for i, t in enumerate(writes)]
        version = "model_version: -1" if maps else ""
        lines.append(f'step {{ model_name: "{member}" {version} {" ".join(maps)} }}')
    write(root, files_of(_MEMBER + "-- e/1/ --\n"))
    (root / "e/config.pbtxt").write_text("\n".join([*lines, "}"]))
    return root


@contextmanager
def counted_lines() -> Iterator[list[int]]:
    count = [0]

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        count[0] += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield count
    finally:
        sys.settrace(before)


def work(root: Path) -> tuple[int, int, Report]:
    """Lines run, characters said, and the report."""
    validate([root / "p"], Settings())  # what is loaded once
    with counted_lines() as lines:
        report = validate([root], Settings())
    return lines[0], sum(len(finding.message) for finding in report.findings), report


@pytest.mark.parametrize("name", ENSEMBLES)
def test_twice_the_steps_take_twice_the_work(tmp_path: Path, name: str) -> None:
    one, other = (
        work(repository(tmp_path / str(count), *ENSEMBLES[name](count)))
        for count in (_STEPS, 2 * _STEPS)
    )
    assert other[0] < 2.2 * one[0]
    assert other[1] <= 2.5 * one[1]  # numbers get longer, too
    assert len(other[2].findings) <= 2 * len(one[2].findings) + 1


def test_four_thousand_steps_are_judged(tmp_path: Path) -> None:
    report = validate([repository(tmp_path, *ENSEMBLES["chain"](4000))], Settings())
    assert report.findings == ()
