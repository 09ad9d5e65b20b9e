import pytest
from hypothesis import given
from hypothesis import strategies as st

from trtbuild.protowire import (
    FIXED32,
    FIXED64,
    LENGTH,
    VARINT,
    WireError,
    fields,
    message_bytes,
    varint_bytes,
)


def varint(number: int) -> bytes:
    head, rest = number & 0x7F, number >> 7
    return bytes([head | 0x80]) + varint(rest) if rest else bytes([head])


def encoded(number: int, wire: int, value: bytes | int) -> bytes:
    key = varint(number << 3 | wire)
    if isinstance(value, int):
        return key + varint(value)
    return key + (varint(len(value)) if wire == LENGTH else b"") + value


NUMBERS = st.integers(1, 2**29 - 1)
FIELDS = st.one_of(
    st.tuples(NUMBERS, st.just(VARINT), st.integers(0, 2**64 - 1)),
    st.tuples(NUMBERS, st.just(LENGTH), st.binary(max_size=300)),
    st.tuples(NUMBERS, st.just(FIXED32), st.binary(min_size=4, max_size=4)),
    st.tuples(NUMBERS, st.just(FIXED64), st.binary(min_size=8, max_size=8)),
)


@given(st.lists(FIELDS, max_size=8))
def test_reads_what_is_written(message: list[tuple[int, int, bytes | int]]) -> None:
    data = b"".join(encoded(*field) for field in message)
    assert [
        (f.number, f.wire, f.value if f.wire == VARINT else data[f.start : f.end])
        for f in fields(data)
    ] == message


@given(st.lists(FIELDS, min_size=1, max_size=4), st.data())
def test_a_message_that_was_cut_off(
    message: list[tuple[int, int, bytes | int]], data: st.DataObject
) -> None:
    parts = [encoded(*field) for field in message]
    whole = b"".join(parts)
    ends = {len(b"".join(parts[:count])) for count in range(len(parts) + 1)}
    cut = data.draw(st.integers(0, len(whole) - 1).filter(lambda at: at not in ends))
    with pytest.raises(WireError):
        list(fields(whole[:cut]))


@given(st.binary(max_size=200))
def test_anything_else_is_a_wire_error(data: bytes) -> None:
    try:
        assert all(field.end <= len(data) for field in fields(data))
    except WireError as error:
        assert str(error)


def test_says_how_much_is_missing() -> None:
    with pytest.raises(WireError) as caught:
        list(fields(encoded(7, LENGTH, b"twelve bytes")[:-5]))
    assert str(caught.value) == "field 7 lacks 5 bytes"


def test_a_part_of_a_buffer() -> None:
    data = b"before" + encoded(1, VARINT, 5) + b"after"
    [field] = fields(data, 6, 8)
    assert (field.number, field.value) == (1, 5)


@given(st.integers(0, 2**64 - 1))
def test_numbers_are_written_as_the_format_has_it(number: int) -> None:
    assert varint_bytes(number) == varint(number)


@given(NUMBERS, st.binary(max_size=300))
def test_what_was_written_is_read(number: int, payload: bytes) -> None:
    data = message_bytes(number, payload)
    assert data == encoded(number, LENGTH, payload)
    [field] = fields(data)
    assert (field.number, data[field.start : field.end]) == (number, payload)
