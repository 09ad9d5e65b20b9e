"""Atoms as values and values as words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.modelconfig.configs import steady
from trtbuild.modelconfig import values
from trtbuild.modelconfig.values import ValueProblem

int32 = values.integer(32, signed=True)
uint64 = values.integer(64, signed=False)


@pytest.mark.parametrize(
    ("atom", "value"),
    [("0", 0), ("224", 224), ("-1", -1), ("- 1", -1), ("0x1F", 31), ("-0XfF", -255), ("017", 15)],
)
def test_integers(atom: str, value: int) -> None:
    assert int32(atom) == value


@pytest.mark.parametrize("atom", ["08", "0x", "1.0", "1e3", "1_0", "0b1", "8name", "x", "-", "--1"])
def test_what_is_no_integer(atom: str) -> None:
    with pytest.raises(ValueProblem, match=r"^expected an integer of 32 bits, found"):
        int32(atom)


@pytest.mark.parametrize("atom", ["2147483648", "-2147483649", "9" * 5000])
def test_integers_out_of_range(atom: str) -> None:
    with pytest.raises(ValueProblem, match=r"out of range: it goes from -2147483648 to 2147483647"):
        int32(atom)
    assert int32("-2147483648") == -(2**31)


def test_unsigned_integers_have_no_sign() -> None:
    assert uint64("18446744073709551615") == 2**64 - 1
    with pytest.raises(ValueProblem, match="expected a non-negative integer of 64 bits"):
        uint64("-0")


@pytest.mark.parametrize(
    ("atom", "value"),
    [
        ("1", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("1.5e-3f", 1.5e-3),
        ("0f", 0.0),
        ("1E+2F", 100.0),
        ("-INF", -math.inf),
        ("infinity", math.inf),
        ("1e400", math.inf),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_floats(atom: str, value: float) -> None:
    assert values.double(atom) == value


@pytest.mark.parametrize("atom", ["010", "0x1", "00.5", "1e", "1..2", "1.5.5", "fine", "e5", "1ff"])
def test_what_is_no_float(atom: str) -> None:
    with pytest.raises(ValueProblem, match="expected a number, found"):
        values.double(atom)


def test_floats_of_32_bits_round_as_in_cpp() -> None:
    assert values.single("0.1") == 0.10000000149011612
    assert values.single("3.4028235e38") == 3.4028234663852886e38
    assert values.single("-3.5e38") == -math.inf
    assert math.isnan(values.single("-nan"))


@pytest.mark.parametrize("atom", ["true", "True", "t", "1", "01", "0x1"])
def test_true(atom: str) -> None:
    assert values.boolean(atom) is True


@pytest.mark.parametrize("atom", ["false", "False", "f", "0", "00"])
def test_false(atom: str) -> None:
    assert values.boolean(atom) is False


@pytest.mark.parametrize("atom", ["TRUE", "yes", "2", "-1", "1.0"])
def test_what_is_no_boolean(atom: str) -> None:
    with pytest.raises(ValueProblem, match="expected true or false"):
        values.boolean(atom)


def test_enums_take_names_and_any_number() -> None:
    kind = values.enumeration("Kind", {"KIND_AUTO": 0, "KIND_GPU": 1})
    assert [kind("KIND_GPU"), kind("1"), kind("-7"), kind("0x63")] == [1, 1, -7, 99]
    with pytest.raises(ValueProblem) as caught:
        kind("kind_gpu")
    assert str(caught.value) == "Kind has no value 'kind_gpu'; did you mean KIND_GPU?"
    assert caught.value.suggestion == ("KIND_GPU", True)
    with pytest.raises(ValueProblem, match="out of range"):
        kind("2147483648")


@steady
@given(st.floats(width=32, allow_nan=False))
def test_words_of_32_bit_floats_read_back(value: float) -> None:
    word = values.word_from_single(value)
    assert values.single(word) == value
    assert len(word) <= 16


@steady
@given(st.floats(allow_nan=False))
def test_words_of_doubles_read_back(value: float) -> None:
    assert values.double(values.word_from_double(value)) == value


def test_words_are_short() -> None:
    assert values.word_from_single(values.single("0.1")) == "0.1"
    assert values.word_from_double(8.0) == "8"
    assert values.word_from_boolean(True) == "true"
    assert values.word_from_text('a"\\\n\x01é') == r'"a\"\\\n\001é"'
