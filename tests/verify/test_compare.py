from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trtbuild.artifacts import Comparison, from_json, to_json
from trtbuild.verify.compare import Label, compare
from trtbuild.verify.options import Tolerance, VerifyOptions, tolerance_of

Array = np.ndarray[Any, np.dtype[Any]]
LABEL = Label("a vs b", "opt", "y")
STRICT = Tolerance(0.0, 0.0, False)
LOOSE = Tolerance(0.01, 0.01, False)

_FLOATS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
)


@given(_FLOATS, st.data(), st.floats(0, 1), st.floats(0, 1))
def test_it_judges_as_numpy_does(
    reference: Array, data: st.DataObject, rtol: float, atol: float
) -> None:
    candidate = data.draw(
        st.one_of(
            st.just(reference),
            hnp.arrays(
                np.float32, reference.shape, elements=st.floats(width=32, allow_infinity=True)
            ),
        )
    )
    one, other = reference.astype(np.float64), candidate.astype(np.float64)
    expected = np.allclose(other, one, rtol=rtol, atol=atol, equal_nan=True)
    result = compare(LABEL, reference, candidate, Tolerance(rtol, atol, False))
    assert result.passed == expected
    assert np.isfinite([result.max_abs, result.max_rel, result.cosine]).all()


@given(_FLOATS)
def test_an_array_equals_itself(array: Array) -> None:
    result = compare(LABEL, array, array.copy(), STRICT)
    assert result.passed
    assert result.max_abs == result.max_rel == 0
    assert result.cosine == pytest.approx(1.0)


def test_the_figures_name_the_worst_element() -> None:
    reference = np.array([[1.0, 2.0], [100.0, -4.0]])
    candidate = np.array([[1.0, 2.5], [100.1, -4.0]])
    result = compare(LABEL, reference, candidate, LOOSE)
    assert not result.passed
    assert result.worst_index == (0, 1)
    assert result.worst == ("2", "2.5")
    assert result.max_abs == pytest.approx(0.5)
    assert result.max_rel == pytest.approx(0.25)
    assert 0.99 < result.cosine < 1
    assert result.problem == ""


def test_the_worst_is_the_one_furthest_over_the_tolerance_not_the_largest() -> None:
    reference, candidate = np.array([1000.0, 0.001]), np.array([1001.0, 0.5])
    assert compare(LABEL, reference, candidate, LOOSE).worst_index == (1,)


def test_a_scaled_atol_is_a_share_of_the_largest_value() -> None:
    reference, candidate = np.array([100.0, 0.0]), np.array([100.0, 0.9])
    result = compare(LABEL, reference, candidate, Tolerance(0.0, 0.01, True))
    assert result.passed
    assert result.atol == pytest.approx(1.0)
    assert not compare(LABEL, reference / 10, candidate, Tolerance(0.0, 0.01, True)).passed


@pytest.mark.parametrize("scale", [1e-9, 1e-7, 1e-6, 1e-5])
def test_values_that_the_type_cannot_hold_apart_are_equal(scale: float) -> None:
    """Score maps far below zero before their sigmoid: fp16's steps are 6e-8 there."""
    reference = np.random.default_rng(0).random(1000) * scale
    rounded = reference.astype(np.float16).astype(np.float64)
    steps = np.arange(-3, 4)[:, None] * 2.0**-24
    for each in rounded + steps:
        assert compare(LABEL, reference, each, tolerance_of(VerifyOptions(), "fp16")).passed
    too_far = rounded + 2.0**-14
    assert not compare(LABEL, reference, too_far, tolerance_of(VerifyOptions(), "fp16")).passed
    assert not compare(LABEL, reference, rounded + 1e-7, Tolerance(0.0, 1e-8, False)).passed


FP16 = tolerance_of(VerifyOptions(), "fp16")


def softmaxed(seed: int, shape: tuple[int, ...]) -> Array:
    powers: Array = np.exp(np.random.default_rng(seed).standard_normal(shape) * 3)
    parts: Array = powers / powers.sum(-1, keepdims=True)
    return parts


def test_one_element_of_many_does_not_condemn_an_embedding() -> None:
    reference = np.random.default_rng(0).standard_normal((4, 256))
    reference /= np.linalg.norm(reference, axis=-1, keepdims=True)
    candidate = reference.copy()
    candidate[2, 7] += 0.006
    assert not compare(LABEL, reference, candidate, FP16).passed
    found = compare(LABEL, reference, candidate, FP16, "embedding")
    assert found.passed
    assert found.rule.startswith("embedding: cosine at least 0.99998")
    candidate[1] = -candidate[1]  # one vector of four is wrong
    assert not compare(LABEL, reference, candidate, FP16, "embedding").passed


def test_probabilities_are_judged_by_what_they_say() -> None:
    reference = softmaxed(0, (50, 20)) * 0.3  # scaled down: 1e-2 of the largest is 3e-3
    candidate = reference.copy()
    candidate[3, 4] += 0.008
    assert not compare(LABEL, reference, candidate, FP16).passed
    found = compare(LABEL, reference, candidate, FP16, "probabilities")
    assert found.passed
    assert "off by 0.008 at most, 0.01 allowed" in found.rule
    candidate[3, 4] += 0.01
    assert not compare(LABEL, reference, candidate, FP16, "probabilities").passed


@pytest.mark.parametrize("wrong", [np.zeros((50, 2000)), softmaxed(1, (50, 2000))])
def test_other_probabilities_that_are_all_small_do_not_pass(wrong: Array) -> None:
    reference = np.clip(softmaxed(0, (50, 2000)), 0, 5e-3)
    assert not compare(LABEL, reference, np.clip(wrong, 0, 5e-3), FP16, "probabilities").passed


@pytest.mark.parametrize("options", [VerifyOptions(rtol=0.01), VerifyOptions(atol=1e-3)])
def test_who_gives_a_tolerance_means_every_element(options: VerifyOptions) -> None:
    reference = softmaxed(0, (50, 20)) * 0.3
    candidate = reference.copy()
    candidate[3, 4] += 0.008
    asked = tolerance_of(options, "fp16")
    assert not compare(LABEL, reference, candidate, asked, "probabilities").passed


@pytest.mark.parametrize(
    ("reference", "candidate", "problem"),
    [
        ([1.0, 2.0], [1.0, np.nan], "1 of 2 elements are NaN or infinite"),
        ([1.0, 2.0], [1.0, np.inf], "1 of 2 elements are NaN or infinite"),
        (
            [1.0, np.inf],
            [1.0, 2.0],
            "1 of 2 elements are finite, and NaN or infinite in the reference",
        ),
        ([np.inf], [-np.inf], ""),
    ],
)
def test_what_is_not_finite(reference: list[float], candidate: list[float], problem: str) -> None:
    result = compare(LABEL, np.array(reference), np.array(candidate), LOOSE)
    assert not result.passed
    assert result.problem == problem


@pytest.mark.parametrize(
    ("reference", "candidate", "problem"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), "shape [3, 2] instead of [2, 3]"),
        (np.zeros(2), np.zeros(2, np.int64), "data type int64 instead of float64"),
        (np.array([1, 2, 3]), np.array([1, 5, 3]), "1 of 3 elements differ"),
        (np.array([True]), np.array([False]), "1 of 1 elements differ"),
        (np.array(["a", "b"], object), np.array([b"a", b"c"], object), "1 of 2 elements differ"),
    ],
)
def test_what_is_no_matter_of_tolerance(reference: Array, candidate: Array, problem: str) -> None:
    result = compare(LABEL, reference, candidate, Tolerance(10, 10, False))
    assert not result.passed
    assert result.problem == problem


@pytest.mark.parametrize(
    ("reference", "candidate", "worst"),
    [
        (np.array([1.0]), np.array([np.inf]), ("1", "inf")),
        (np.array([np.nan]), np.array([0.5]), ("nan", "0.5")),
        (np.array([3]), np.array([4]), ("3", "4")),
        (np.array(["a"], object), np.array(["b"], object), ("'a'", "'b'")),
    ],
)
def test_every_worst_element_crosses_a_process_border(
    reference: Array, candidate: Array, worst: tuple[str, str]
) -> None:
    result = compare(LABEL, reference, candidate, LOOSE)
    assert result.worst == worst
    assert from_json(to_json(result), Comparison) == result


def test_equal_integers_and_strings_pass() -> None:
    assert compare(LABEL, np.arange(3), np.arange(3, dtype=np.int32), STRICT).passed
    text = np.array(["a", "\u00e9"], object)
    assert compare(LABEL, text, np.array([b"a", "\u00e9".encode()], object), STRICT).passed


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_narrow_floats_are_floats(dtype: Any) -> None:
    reference = np.array([1.0, 2.0, 3.0], np.float32)
    assert compare(LABEL, reference, reference.astype(dtype), LOOSE).passed
    assert not compare(LABEL, reference + 1, reference.astype(dtype), LOOSE).passed


def test_complex_numbers_are_two_numbers() -> None:
    assert compare(LABEL, np.array([1 + 1j]), np.array([1 + 1j], np.complex64), LOOSE).passed
    assert not compare(LABEL, np.array([1 + 1j]), np.array([1 + 2j]), LOOSE).passed
