"""A large JSON text, read in pieces, is the tensor that it is when read as a whole."""

from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trtserve.errors import ServeError
from trtserve.protocols import large_json
from trtserve.protocols.large_json import at_once
from trtserve.tensors import wire_from_json


@pytest.fixture(autouse=True, scope="module")
def _small_pieces() -> Any:
    """What takes many pieces is small here."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (("_PIECE_BYTES", 7), ("_LEAST_BYTES", 2), ("_LOOK_BYTES", 5)):
            patch.setattr(large_json, name, value)
        yield


def in_pieces(text: bytes, dtype: str, shape: tuple[int, ...]) -> bytes | str:
    """The tensor, or why there is none."""
    try:
        value, arrays = at_once(large_json.parsed(b'{"data":%b}' % text))
        large_json.put_back([value], arrays)
        if not isinstance(value["data"], large_json.Numbers):
            return bytes(wire_from_json(value["data"], dtype, shape, "x"))
        return bytes(at_once(value["data"].tensor(dtype, shape, "x")))
    except ServeError as error:
        return f"refused: {error.message}"


def at_a_time(text: bytes, dtype: str, shape: tuple[int, ...]) -> bytes | str:
    try:
        return bytes(wire_from_json(orjson.loads(text), dtype, shape, "x"))
    except (ServeError, orjson.JSONDecodeError) as error:
        return f"refused: {error}"


NESTED = st.recursive(
    st.integers(0, 200), lambda inner: st.lists(inner, min_size=1, max_size=9), max_leaves=60
)


def count_of(value: Any) -> int:
    return sum(map(count_of, value)) if isinstance(value, list) else 1


@settings(deadline=None, max_examples=50)
@given(st.lists(NESTED, min_size=1, max_size=5), st.sampled_from([None, 1]), st.integers(-1, 1))
def test_any_nesting_is_the_same_tensor(data: list[Any], indent: int | None, more: int) -> None:
    text = json.dumps(data, indent=indent).encode()
    shape = (count_of(data) + more,)
    found, expected = in_pieces(text, "UINT8", shape), at_a_time(text, "UINT8", shape)
    assert isinstance(found, str) == isinstance(expected, str)
    if isinstance(expected, bytes):
        assert found == expected


@settings(deadline=None, max_examples=50)
@given(st.lists(NESTED, min_size=1, max_size=3), st.integers(0, 1 << 30))
def test_what_is_no_json_is_none_in_pieces(data: list[Any], seed: int) -> None:
    """A character changed, put in or left out: both ways of reading refuse, or neither does."""
    chance = random.Random(seed)
    text = bytearray(json.dumps(data).encode())
    at = chance.randrange(len(text))
    text[at : at + chance.randrange(2)] = chance.choice([b"[", b"]", b",", b" ", b"1", b"", b"[]"])
    shape = (bytes(text).count(b",") + 1,)
    found, expected = (read(bytes(text), "UINT8", shape) for read in (in_pieces, at_a_time))
    if isinstance(expected, bytes):
        assert found == expected or b"[]" in text.replace(b" ", b"")
    else:
        assert isinstance(found, str)


@pytest.mark.parametrize(
    ("text", "dtype", "words"),
    [
        (b"[1,2,null,4,5,6]", "FP32", "holds a value that is no FP32"),
        (b"[1,2,true,4,5,6]", "FP32", "holds a value that is no FP32"),
        (b"[1,2,3,4,5,300]", "UINT8", "a number that UINT8 cannot hold"),
        (b"[1,2,3,4,5,6,7,8]", "FP32", "needs 6 elements in 'data', got 8 or more"),
        (b"[1,2,3]", "FP32", "needs 6 elements in 'data', got 3"),
        (b"[1,2,3,4,5,6]", "FP16", "cannot be sent as JSON"),
        (b"[1,2,3,4,5,6]", "BYTES", "holds a value that is no BYTES"),
        (b"[" * 101 + b"1,2,3,4,5,6" + b"]" * 101, "FP32", "nested deeper than 100"),
        (b"[1,2,3],[4,5,6]", "FP32", "failed to parse"),
        (b"[[1,2,3],[4,5,6]", "FP32", "failed to parse"),
        (b"[[1,2,3],[4,5,6 7]]", "FP32", "failed to parse"),
    ],
)
def test_what_is_refused(text: bytes, dtype: str, words: str) -> None:
    found = in_pieces(text, dtype, (6,))
    assert isinstance(found, str)
    assert words in found


def test_strings_are_left_where_they_are() -> None:
    text = rb'{"a\"data":[1,2,3],"data":["[1,2,3]","\"data\":[1,2]"],"b":"\"data\":[1,2,3]"}'
    value, _ = at_once(large_json.parsed(text))
    assert value["data"] == ["[1,2,3]", '"data":[1,2]']
    assert value["b"] == '"data":[1,2,3]'


def test_values_are_counted_outside_strings_alone() -> None:
    limit = large_json._MAX_VALUES
    strings = orjson.dumps(['[{,\\"'] * (limit - 1))
    at_once(large_json.bounded(strings))
    for text in (b"[%b]" % (b"0," * limit), b"[%b]" % (b"[]," * limit), b"[%b]" % (b'"",' * limit)):
        with pytest.raises(ServeError, match=f"more than {limit} values"):
            at_once(large_json.bounded(text))
