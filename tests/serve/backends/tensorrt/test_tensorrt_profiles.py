from __future__ import annotations

import json
import math
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from trtserve.backends.tensorrt.profiles import (
    EngineTensor,
    Signature,
    batchable,
    choose,
    key_of,
    largest_batch,
    profile_indices,
)
from trtserve.errors import ServeError

import trtbuild
from tests.models import save
from tests.serve.conftest import Running
from tests.with_tensorrt import needs_tensorrt
from trtbuild.artifacts import Range

X = EngineTensor("x", "FP32", (-1, -1))
MASK = EngineTensor("mask", "BOOL", (-1, 4))
SMALL = {"x": Range((1, 8), (1, 16), (4, 32)), "mask": Range((1, 4), (1, 4), (4, 4))}
LARGE = {"x": Range((1, 8), (16, 32), (32, 64)), "mask": Range((1, 4), (16, 4), (32, 4))}
ONLY_2 = {"x": Range((2, 8), (2, 8), (2, 8)), "mask": Range((2, 4), (2, 4), (2, 4))}
THREE = Signature((X, MASK), (EngineTensor("y", "FP32", (-1, 2)),), (SMALL, LARGE, ONLY_2))


@pytest.mark.parametrize(
    ("allowed", "x", "index"),
    [
        ((0, 1), (1, 16), 0),  # both hold it: the one it is nearer to
        ((0, 1), (4, 32), 0),
        ((1, 0), (4, 64), 1),  # only one holds it
        ((0, 1, 2), (2, 8), 2),
        ((0, 1), (2, 8), 0),
        ((1,), (1, 8), 1),
    ],
)
def test_the_nearest_of_those_that_hold_it(
    allowed: tuple[int, ...], x: tuple[int, int], index: int
) -> None:
    assert choose(THREE, allowed, {"x": x, "mask": (x[0], 4)}) == index


def test_what_no_profile_holds_is_refused_with_what_they_hold() -> None:
    with pytest.raises(ServeError) as caught:
        choose(THREE, (0, 2), {"x": (5, 8), "mask": (5, 4)})
    assert caught.value.message == (
        "input 'x' has the shape [5,8], the plan takes [1,8] to [4,32] (profile 0), or [2,8] "
        "(profile 2)"
    )
    with pytest.raises(ServeError, match=r"the plan takes \[1,8\] to \[4,32\]"):
        choose(THREE, (0,), {"x": (1, 8, 1), "mask": (1, 4)})


def test_shapes_that_fit_only_in_different_profiles() -> None:
    split = Signature(
        (X, MASK), (),
        ({"x": SMALL["x"], "mask": ONLY_2["mask"]}, {"x": ONLY_2["x"], "mask": SMALL["mask"]}),
    )  # fmt: skip
    with pytest.raises(ServeError, match=r"takes these shapes together: 'x' \[4,32\], 'mask'"):
        choose(split, (0, 1), {"x": (4, 32), "mask": (1, 4)})


def test_an_input_that_is_not_there() -> None:
    with pytest.raises(ServeError, match="the plan needs the input 'mask'"):
        choose(THREE, (0,), {"x": (1, 16)})


@pytest.mark.parametrize(
    ("named", "indices"), [([], (0,)), (["1"], (1,)), (["2", "0", "2"], (2, 0))]
)
def test_the_profiles_that_a_group_names(named: list[str], indices: tuple[int, ...]) -> None:
    assert profile_indices(named, THREE) == indices


@pytest.mark.parametrize("text", ["3", "-1", "one", "1x", "", "²"])
def test_a_profile_that_is_none(text: str) -> None:
    with pytest.raises(ServeError, match="the plan has profiles 0 to 2"):
        profile_indices([text], THREE)
    with pytest.raises(ServeError, match=r"profile '9'; the plan has profile 0$"):
        profile_indices(["9"], THREE._replace(profiles=(SMALL,)))


def test_batches() -> None:
    assert batchable(THREE)
    assert not batchable(THREE._replace(inputs=(X, EngineTensor("fixed", "FP32", (3, 4)))))
    assert not batchable(THREE._replace(outputs=(EngineTensor("scalar", "FP32", ()),)))
    assert largest_batch(THREE, (0,)) == 4
    assert largest_batch(THREE, (0, 1, 2)) == 32
    assert largest_batch(THREE._replace(profiles=({"s": Range((), (), ())},)), (0,)) == 0


def test_shapes_as_a_key() -> None:
    assert key_of(THREE, {"mask": (1, 4), "x": (1, 8)}) == ((1, 8), (1, 4))
    assert key_of(THREE, {"x": (1, 8)}) != key_of(THREE, {"x": (1, 8), "mask": (1, 4)})


# a plan on its GPU


def answer(server: Running, shape: tuple[int, int]) -> tuple[int, Any]:
    """Status and answer to relu of -1, 0, 1, ... of `shape`."""
    values = (np.arange(math.prod(shape)) - 1).tolist()
    tensor = {"name": "x", "shape": shape, "datatype": "FP32", "data": values}
    connection = HTTPConnection(server.http, timeout=60)
    try:
        connection.request("POST", "/v2/models/seq/infer", json.dumps({"inputs": [tensor]}))
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.gpu
@needs_tensorrt
@pytest.mark.parametrize("graphs", [False, True])
def test_a_request_runs_in_the_profile_that_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Callable[..., Running], graphs: bool
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    shape = (TensorProto.FLOAT, ("batch", "seq"))
    relu = helper.make_node("Relu", ["x"], ["y"])
    model = save(tmp_path / "seq.onnx", [relu], {"x": shape}, {"y": shape})
    profiles = ("batch=1x1x1,seq=1x16x64", "batch=1x4x8,seq=1x4x16")
    trtbuild.convert(
        model, tmp_path / "repo", runtime="tensorrt", profiles=profiles, cuda_graphs=graphs
    )
    server = start(tmp_path / "repo", fallback="none")
    for taken in [(1, 64), (8, 16), (1, 16), (5, 4), (8, 4), (1, 1), (1, 64)]:
        status, found = answer(server, taken)
        assert status == 200, found
        (made,) = found["outputs"]
        assert tuple(made["shape"]) == taken
        expected = np.maximum(np.arange(math.prod(taken)) - 1, 0)
        np.testing.assert_array_equal(made["data"], expected)
    status, found = answer(server, (2, 64))
    assert status == 400
    assert "the plan takes" in found["error"] or "no optimization profile" in found["error"]
