"""Wire bytes, arrays and JSON values: the same tensor in each form."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve import tensors
from trtserve.errors import ServeError

NUMBERS = [name for name in tensors.NUMPY if name not in ("BYTES", "FP16", "BF16", "BOOL")]


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_bytes_come_back(elements: list[bytes]) -> None:
    wire = tensors.wire_from_elements(elements)
    assert tensors.bytes_elements(wire) == elements
    array = tensors.array_from_wire(wire, "BYTES", (len(elements),))
    assert bytes(tensors.wire_from_array(array, "BYTES")) == wire


@pytest.mark.parametrize("dtype", [*NUMBERS, "BOOL", "FP16"])
@pytest.mark.parametrize("columns", [4, 4096])
def test_arrays_come_back(dtype: str, columns: int) -> None:
    array = np.arange(3 * columns).reshape(3, columns).astype(tensors.NUMPY[dtype])
    wire = tensors.wire_from_array(array, dtype)
    np.testing.assert_array_equal(tensors.array_from_wire(wire, dtype, array.shape), array)
    transposed = tensors.wire_from_array(array.T, dtype)
    np.testing.assert_array_equal(
        tensors.array_from_wire(transposed, dtype, array.T.shape), array.T
    )


def test_large_arrays_are_not_copied() -> None:
    array = np.zeros((1, 3, 224, 224), np.float32)
    wire = tensors.wire_from_array(array, "FP32")
    assert np.shares_memory(np.frombuffer(wire, np.uint8), array)
    again = tensors.array_from_wire(wire, "FP32", array.shape)
    assert np.shares_memory(again, array)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_the_limits_of_each_type_as_json(dtype: str) -> None:
    kind = tensors.NUMPY[dtype]
    limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    values = [limits.min.item() if hasattr(limits.min, "item") else limits.min,
              limits.max.item() if hasattr(limits.max, "item") else limits.max]  # fmt: skip
    wire = tensors.wire_from_json(values, dtype, (2,), "x")
    np.testing.assert_array_equal(np.frombuffer(wire, kind), np.array(values, kind))
    text = orjson.dumps(tensors.json_from_wire(wire, dtype, "x"), option=orjson.OPT_SERIALIZE_NUMPY)
    np.testing.assert_array_equal(np.array(json.loads(text), kind), np.array(values, kind))
    if kind.kind != "f":
        with pytest.raises(ServeError, match=f"a number that {dtype} cannot hold"):
            tensors.wire_from_json([0, int(limits.max) + 1], dtype, (2,), "x")


@pytest.mark.parametrize(
    ("data", "dtype", "words"),
    [
        ([1, 2, 3], "FP32", "needs 2 elements in 'data', got 3"),
        ([1, "2"], "FP32", "holds a value that is no FP32"),
        ([1, None], "INT32", "holds a value that is no INT32"),
        ([1.5, 2], "INT32", "holds a value that is no INT32"),
        ([True, 2], "INT32", "holds a value that is no INT32"),
        ([1, 0], "BOOL", "holds a value that is no BOOL"),
        ([b"", 0], "BYTES", "holds a value that is no BYTES"),
        ("text", "FP32", "'data' must be an array"),
        ({}, "FP32", "'data' must be an array"),
        ([1.0, 2.0], "FP16", "cannot be sent as JSON"),
    ],
)
def test_json_that_is_no_such_tensor(data: Any, dtype: str, words: str) -> None:
    with pytest.raises(ServeError, match=words):
        tensors.wire_from_json(data, dtype, (2,), "x")


def test_nested_json_is_flattened_up_to_a_depth() -> None:
    assert bytes(tensors.wire_from_json([[1], [[2]]], "UINT8", (2,), "x")) == b"\x01\x02"
    data: list[Any] = [1]
    for _ in range(99):
        data = [data]
    assert bytes(tensors.wire_from_json(data, "UINT8", (1,), "x")) == b"\x01"
    with pytest.raises(ServeError, match="deeper than 100"):
        tensors.wire_from_json([data], "UINT8", (1,), "x")


@pytest.mark.parametrize("shape", [(2**62, 4), (-1, 4), (2**31, 2**31, 2**31), (2**63,)])
def test_shapes_that_overflow(shape: tuple[int, ...]) -> None:
    """CVE-2026-24173: sizes computed in too few bits."""
    with pytest.raises(ServeError, match=r"too large|no tensor can have"):
        tensors.byte_size("FP64", shape, "x")


@pytest.mark.parametrize("data", [b"\x01", b"\x05\0\0\0abc", b"\xff\xff\xff\xff", b"\0\0\0\0\0"])
def test_torn_bytes(data: bytes) -> None:
    with pytest.raises(ServeError, match="is no BYTES tensor"):
        tensors.check_bytes(data, (1,), "x")
    with pytest.raises(ServeError, match="expected 2 strings"):
        tensors.check_bytes(b"\0\0\0\0", (2,), "x")
