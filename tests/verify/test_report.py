import msgspec
import pytest

from trtbuild.artifacts import Comparison, VerifyReport
from trtbuild.errors import VerificationError
from trtbuild.verify.report import gate, rows, table

GOOD = Comparison(
    "torch vs ONNX",
    "min",
    "probs",
    1e-6,
    2e-5,
    0.9999999,
    (0, 7),
    ("0.5", "0.500001"),
    1e-3,
    1e-4,
    True,
)
BAD = msgspec.structs.replace(
    GOOD, pair="torch vs ONNX fp16", point="max", max_abs=0.25, worst=("0.5", "0.25"), passed=False
)


def test_the_gate_lets_good_numbers_pass() -> None:
    gate(VerifyReport((GOOD,), {"plan 8.9": "not run: no GPU of 8.9"}))


def test_the_gate_fails_with_the_table() -> None:
    with pytest.raises(VerificationError) as caught:
        gate(VerifyReport((GOOD, BAD), {}))
    assert caught.value.message.splitlines() == [
        "1 of 2 comparisons are over the tolerance (atol 0.0001 + rtol 0.001 * |reference|), "
        "the first 'torch vs ONNX fp16' in 'probs'",
        "COMPARED            SHAPES  OUTPUT  MAX ABS   MAX REL   COSINE    WORST ELEMENT"
        "            RESULT",
        "torch vs ONNX       min     probs   1.00e-06  2.00e-05  1.000000  [0, 7]: 0.5 -> 0.500001"
        "  ok",
        "torch vs ONNX fp16  max     probs   2.50e-01  2.00e-05  1.000000  [0, 7]: 0.5 -> 0.25"
        "      too far",
    ]
    assert "--rtol and --atol" in caught.value.hint
    with pytest.raises(VerificationError, match=r"\nnote: traced, not exported\n"):
        gate(VerifyReport((BAD,), {}), ("traced, not exported",))


def test_a_problem_stands_in_the_result_column() -> None:
    shape = msgspec.structs.replace(BAD, worst_index=(), problem="shape [3] instead of [2]")
    assert table(VerifyReport((shape,), {})).endswith("shape [3] instead of [2]")


def test_an_output_has_one_row_a_pair_and_that_is_the_worst_of_its_shapes() -> None:
    far = msgspec.structs.replace(GOOD, point="max", max_abs=9e-5)
    other = msgspec.structs.replace(GOOD, tensor="boxes")
    plan = msgspec.structs.replace(GOOD, pair="ONNX vs plan 9.0", point="opt", max_abs=2e-5)
    # Its tolerance is a share of its scale: it is further within than it looks.
    large = msgspec.structs.replace(plan, point="max", max_abs=1e-3, atol=1.0)
    report = VerifyReport((GOOD, other, far, plan, large), {})
    assert [row[:4] for row in rows(report)] == [
        ("torch vs ONNX", "max", "probs", "9.00e-05"),
        ("ONNX vs plan 9.0", "opt", "probs", "2.00e-05"),
        ("torch vs ONNX", "min", "boxes", "1.00e-06"),
    ]


def test_of_very_many_outputs_those_that_failed_are_shown_first() -> None:
    many = [msgspec.structs.replace(GOOD, tensor=f"y{i}") for i in range(50)]
    failed = msgspec.structs.replace(BAD, tensor="last")
    lines = table(VerifyReport((*many, failed), {})).splitlines()
    assert len(lines) == 42
    assert "too far" in lines[1]
    assert lines[-1] == "and 11 more, 0 of them failed"
