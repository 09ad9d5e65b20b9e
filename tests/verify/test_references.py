from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.network_api.recipes import location, weights_of
from trtbuild.artifacts import Range
from trtbuild.errors import SourceError
from trtbuild.network_model import NetworkModel
from trtbuild.tensor import TensorSpec
from trtbuild.tensorfile import load_tensors
from trtbuild.verify.options import VerifyOptions
from trtbuild.verify.points import Point
from trtbuild.verify.references import reference_points, sample_points
from trtbuild.workers.pool import Pool

X, Y = TensorSpec("x", "fp32", ("batch", 2)), TensorSpec("y", "fp32", ("batch", 2))
PROFILE = {"x": Range((1, 2), (2, 2), (4, 2))}
MODEL = NetworkModel(Path(), "net.py:define", None, "d", 1, (X,), (Y,), {}, "fp32", "test")


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    modules = dict(sys.modules)
    yield
    sys.modules.clear()
    sys.modules.update(modules)


def reference(folder: Path, body: str, arguments: str = "inputs") -> str:
    (folder / "net.py").write_text(f"def reference({arguments}):\n    return {body}\n")
    return f"{folder}/net.py:reference"


@pytest.mark.parametrize("body", ["{'y': inputs['x'] * 2}", "inputs['x'] * 2"])
def test_a_function_gives_the_outputs_of_every_shape(tmp_path: Path, body: str) -> None:
    options = VerifyOptions(reference=reference(tmp_path, body))
    points = reference_points(MODEL, (PROFILE,), options, tmp_path)
    assert [point.name for point in points] == ["min", "opt", "max"]
    for point, rows in zip(points, (1, 2, 4), strict=True):
        x, y = load_tensors(point.inputs)["x"], load_tensors(point.outputs)["y"]
        assert x.shape == (rows, 2)
        np.testing.assert_array_equal(y, x * 2)


def test_it_is_given_the_weights_where_there_are(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", w=np.array([[3.0, 4.0]], np.float32))
    where = reference(tmp_path, "inputs['x'] * weights['w']", "inputs, weights")
    options = VerifyOptions(reference=where, weights=tmp_path / "w.npz")
    point = reference_points(MODEL, (PROFILE,), options, tmp_path)[0]
    x, y = load_tensors(point.inputs)["x"], load_tensors(point.outputs)["y"]
    np.testing.assert_array_equal(y, x * np.array([[3, 4]], np.float32))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("None", "returned None"),
        ("{'z': 1}", "returned no 'y'; it has: z"),
        ("inputs['z']", r"failed: KeyError: 'z' \(.*net.py, line 2, in reference\)"),
    ],
)
def test_a_function_that_does_not_answer(tmp_path: Path, body: str, says: str) -> None:
    options = VerifyOptions(reference=reference(tmp_path, body))
    with pytest.raises(SourceError, match=says):
        reference_points(MODEL, (PROFILE,), options, tmp_path)


def samples(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "s.npz", **arrays)
    return folder / "s.npz"


def test_samples_are_one_point_in_the_models_types(tmp_path: Path) -> None:
    file = samples(tmp_path, x=np.ones((3, 2), np.float64), y=np.full((3, 2), 5.0), more=1)
    (point,) = sample_points(MODEL, (PROFILE,), file, tmp_path)
    x, outputs = load_tensors(point.inputs)["x"], load_tensors(point.outputs)
    assert (point.name, x.dtype.name, list(outputs)) == ("samples", "float32", ["y"])


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"y": np.ones((1, 2))}, "has no 'x'; it has: y"),
        ({"x": np.ones((1, 2))}, "has no 'y'; it has: x"),
        (
            {"x": np.ones((5, 2)), "y": 1},
            r"has 'x' \[5, 2\]; the plans are for \[1, 2\] to \[4, 2\]",
        ),
        ({"x": np.ones(2), "y": 1}, r"has 'x' \[2\]; the plans are for"),
        ({"x": np.array([{}], object)}, "is no .npz of arrays: Object arrays cannot"),
    ],
)
def test_samples_that_do_not_fit(tmp_path: Path, arrays: dict[str, Any], says: str) -> None:
    with pytest.raises(SourceError, match=says):
        sample_points(MODEL, (PROFILE,), samples(tmp_path, **arrays), tmp_path)


def test_what_is_no_npz(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"no zip")
    with pytest.raises(SourceError, match=r"is no .npz of arrays"):
        sample_points(MODEL, (PROFILE,), tmp_path / "s.npz", tmp_path)


def test_the_file_of_a_network_may_import_tensorrt(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    weights = weights_of("mlp", tmp_path)
    options = VerifyOptions(reference=location("mlp", "reference"), weights=weights)
    x, y = TensorSpec("x", "fp32", ("batch", 16)), TensorSpec("scores", "fp32", ("batch", 4))
    model = NetworkModel(Path(), "n.py:d", weights, "d", 1, (x,), (y,), {}, "fp32", "test")
    with Pool() as pool, pool.worker() as worker:
        points = worker.call(
            "trtbuild.verify.references:reference_points",
            list[Point],
            model=model,
            profiles=({"x": Range((1, 16), (2, 16), (4, 16))},),
            options=options,
            directory=tmp_path,
            module="tensorrt_rtx",
        )
    assert [load_tensors(point.outputs)["scores"].shape[0] for point in points] == [1, 2, 4]
