from pathlib import Path

import msgspec
import numpy as np

from tests.verify.models import scaled, unchanged
from trtbuild.artifacts import Range
from trtbuild.tensorfile import load_tensors
from trtbuild.verify.inputs import make_inputs

PROFILE = {"x": Range((1, 3), (4, 3), (8, 3))}


def test_each_point_has_its_shapes_and_seeded_values(tmp_path: Path) -> None:
    model = scaled(tmp_path, np.float32(2))
    points = make_inputs(model, unchanged(model), PROFILE, 0, tmp_path)
    assert [point.name for point in points] == ["min", "opt", "max"]
    values = [load_tensors(point.inputs)["x"] for point in points]
    assert [value.shape for value in values] == [(1, 3), (4, 3), (8, 3)]
    again = make_inputs(model, unchanged(model), PROFILE, 0, tmp_path)
    np.testing.assert_array_equal(load_tensors(again[1].inputs)["x"], values[1])
    other = make_inputs(model, unchanged(model), PROFILE, 1, tmp_path)
    assert not np.array_equal(load_tensors(other[1].inputs)["x"], values[1])
    for point in points:
        (part,) = point.parts
        np.testing.assert_array_equal(load_tensors(part)["x"], load_tensors(point.inputs)["x"])


def test_equal_points_are_made_once(tmp_path: Path) -> None:
    model = scaled(tmp_path, np.float32(2))
    profile = {"x": Range((1, 3), (8, 3), (8, 3))}
    points = make_inputs(model, unchanged(model), profile, 0, tmp_path)
    assert [point.name for point in points] == ["min", "opt=max"]


def test_the_source_gets_its_own_names_types_and_ranks(tmp_path: Path) -> None:
    exported = scaled(tmp_path / "a", np.float32(2), ())
    final = scaled(tmp_path / "b", np.float16(2), (1,))
    result = unchanged(final)
    profile = {"x": Range((1,), (1,), (1,))}
    (point,) = make_inputs(exported, result, profile, 0, tmp_path)
    before, after = load_tensors(point.parts[0])["x"], load_tensors(point.inputs)["x"]
    assert (before.dtype.name, before.shape) == ("float32", ())
    assert (after.dtype.name, after.shape) == ("float16", (1,))
    assert before == after[0]


def test_a_value_that_the_source_rounds_is_rounded_for_both(tmp_path: Path) -> None:
    exported = scaled(tmp_path / "a", np.float16(2))
    final = scaled(tmp_path / "b", np.float32(2))
    for point in make_inputs(exported, unchanged(final), PROFILE, 0, tmp_path):
        before, after = load_tensors(point.parts[0])["x"], load_tensors(point.inputs)["x"]
        np.testing.assert_array_equal(before.astype(np.float32), after)


def test_of_a_freed_batch_the_source_gets_one_sample(tmp_path: Path) -> None:
    exported = scaled(tmp_path / "a", np.float32(2), (1, 3))
    final = scaled(tmp_path / "b", np.float32(2), ("batch", 3))
    points = make_inputs(exported, unchanged(final), PROFILE, 0, tmp_path)
    assert [point.rows for point in points] == [None, (0,), (7,)]
    assert points[0].parts == points[1].parts != points[2].parts
    for point in points:
        (part,) = point.parts
        batch = load_tensors(point.inputs)["x"]
        np.testing.assert_array_equal(load_tensors(part)["x"], batch[list(point.rows or (0,))])
    largest = load_tensors(points[2].inputs)["x"]
    np.testing.assert_array_equal(load_tensors(points[1].inputs)["x"], largest[:4])


def test_a_cut_input_means_that_the_source_cannot_be_run(tmp_path: Path) -> None:
    model = scaled(tmp_path, np.float32(2))
    cut = msgspec.structs.replace(unchanged(model), input_names={"x": ""})
    assert all(point.parts == () for point in make_inputs(model, cut, PROFILE, 0, tmp_path))


def test_the_points_of_several_profiles(tmp_path: Path) -> None:
    model = scaled(tmp_path, np.float32(2))
    profiles = ({"x": Range((1, 3), (1, 3), (1, 3))}, {"x": Range((1, 3), (4, 3), (8, 3))})
    around = {"x": Range((1, 3), (1, 3), (8, 3))}
    points = make_inputs(model, unchanged(model), around, 0, tmp_path, profiles=profiles)
    assert [(point.name, point.profiles) for point in points] == [
        ("profile 0 min=profile 0 opt=profile 0 max=profile 1 min", (0, 1)),
        ("profile 1 opt", (1,)),
        ("profile 1 max", (1,)),
    ]
    assert [load_tensors(point.inputs)["x"].shape for point in points] == [(1, 3), (4, 3), (8, 3)]


def test_samples_of_points_that_share_no_shape_are_their_own(tmp_path: Path) -> None:
    exported = scaled(tmp_path / "a", np.float32(2), (1, "n"))
    final = scaled(tmp_path / "b", np.float32(2), ("batch", "n"))
    profile = {"x": Range((1, 2), (4, 3), (8, 5))}
    points = make_inputs(exported, unchanged(final), profile, 0, tmp_path)
    for point in points:
        (part,) = point.parts
        batch = load_tensors(point.inputs)["x"]
        np.testing.assert_array_equal(load_tensors(part)["x"], batch[list(point.rows or (0,))])
