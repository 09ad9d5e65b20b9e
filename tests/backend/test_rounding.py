"""What counts as rounded and what as wrong."""

import numpy as np
import onnx
import pytest

from tests.backend.rounding import only_rounded
from tests.backend.suite import case_of


def _case(name: str) -> tuple[onnx.ModelProto, list[np.ndarray], list[np.ndarray]]:
    case = case_of("node", name)
    inputs, expected = case.data[0]
    return case.model, list(inputs), [np.array(value) for value in expected]


def test_an_integer_beside_a_tie_may_be_the_other_one() -> None:
    """-2.5 by a scale of 5/255 is -127.5 but for the scale's own rounding."""
    model, inputs, expected = _case("test_dynamicquantizelinear")
    got = [value.copy() for value in expected]
    assert expected[0].tolist() == [153, 255, 0, 26, 221, 179]
    got[0][3] = 25
    assert only_rounded(model, inputs, expected, got)


@pytest.mark.parametrize(("index", "value"), [(0, 154), (3, 27), (3, 24), (4, 220), (5, 180)])
def test_any_other_integer_is_wrong(index: int, value: int) -> None:
    model, inputs, expected = _case("test_dynamicquantizelinear")
    got = [each.copy() for each in expected]
    got[0][index] = value
    assert not only_rounded(model, inputs, expected, got)


def test_floats_are_four_units_off_at_most() -> None:
    model, inputs, expected = _case("test_abs")
    unit = np.float32(np.finfo(np.float32).eps * np.abs(expected[0]).max())
    assert only_rounded(model, inputs, expected, [expected[0] + 3 * unit])
    assert not only_rounded(model, inputs, expected, [expected[0] + 9 * unit])
    hole = expected[0].copy()
    hole.flat[0] = np.nan
    assert not only_rounded(model, inputs, expected, [hole])
