"""Data types, sizes and lists as messages and rules spell them."""

from __future__ import annotations

from trtbuild.modelconfig.schema import schema
from trtbuild.validate import words


def test_the_data_types_are_those_of_the_schema() -> None:
    for name, number in schema().DataType.items():
        assert words.data_type(number) == name
        assert words.data_type_number(name) == number
    assert words.data_type(99) == "99"
    assert words.data_type_number("TYPE_FP4") == 0
    assert schema().DataType.Value("TYPE_STRING") == words.STRING


def test_sizes() -> None:
    sizes = {name: words.element_bytes(number) for name, number in schema().DataType.items()}
    assert sizes["TYPE_BOOL"] == sizes["TYPE_INT8"] == 1
    assert sizes["TYPE_FP16"] == sizes["TYPE_BF16"] == 2
    assert sizes["TYPE_FP64"] == 8
    assert sizes["TYPE_STRING"] == sizes["TYPE_INVALID"] == words.element_bytes(99) == 0


def test_lists_and_products() -> None:
    assert words.dims([-1, 3]) == "[-1, 3]"
    assert words.one_of(["b", "a"]) == "a, b"
    assert words.one_of([]) == "none"
    assert words.elements([2, 3]) == 6
    assert words.elements([2, -1]) == -1
    assert words.elements([]) == 1
