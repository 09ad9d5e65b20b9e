from pathlib import Path

from tests.backend.run_suite import all_tests, known_last, outcome_of, run_tests
from tests.backend.suite import KINDS, Outcome, names
from trtbuild.artifacts import to_json


def test_all_tests_in_a_random_order() -> None:
    tests = all_tests("onnx")
    everything = {(kind, name) for kind in KINDS for name in names(kind)}
    assert len(tests) == len(everything) > 1900
    assert {(kind, name) for kind, name, _ in tests} == everything
    assert tests == all_tests("onnx"), "the same each time"
    assert [name for _, name, _ in tests[:5]] != sorted(name for _, name, _ in tests)[:5]


def test_outcomes_are_written_as_they_come(tmp_path: Path) -> None:
    tests = [("node", name, "onnx") for name in ("test_add_uint64", "test_equal_string")]
    outcomes = run_tests(tests, 1, tmp_path / "out.jsonl")
    assert [one.status for one in outcomes] == ["refused", "refused"]
    lines = (tmp_path / "out.jsonl").read_bytes().splitlines()
    assert [outcome_of(line) for line in lines] == outcomes


def test_what_an_earlier_run_came_to_is_last(tmp_path: Path) -> None:
    tests = [("node", name, "onnx") for name in ("test_add_uint64", "test_equal_string")]
    outcome = Outcome("test_add_uint64", "node", "onnx", "refused", ("Add",), ("uint64",), 14)
    (tmp_path / "out.jsonl").write_bytes(to_json(outcome) + b"\n")
    assert known_last(tests, [tmp_path / "out.jsonl"]) == [tests[1], tests[0]]
    assert known_last(tests, []) == tests


def test_no_test_is_begun_when_time_is_up(tmp_path: Path) -> None:
    assert run_tests([("node", "test_add", "onnx")], 1, tmp_path / "out.jsonl", 0) == []
