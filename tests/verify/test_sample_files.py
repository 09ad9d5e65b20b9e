from pathlib import Path

import numpy as np
import pytest

from tests.verify.models import scaled, unchanged
from trtbuild.artifacts import Range, SurgeryResult
from trtbuild.errors import SourceError
from trtbuild.tensorfile import load_tensors
from trtbuild.verify.inputs import make_inputs
from trtbuild.verify.sample_files import have_outputs, read_samples

PROFILE = {"x": Range((1, 3), (4, 3), (8, 3))}


def samples(folder: Path, **files: np.ndarray) -> Path:
    folder.mkdir()
    for name, array in files.items():
        np.savez(folder / f"{name}.npz", x=array)
    return folder


def test_a_folder_has_a_point_for_each_file(tmp_path: Path) -> None:
    folder = samples(tmp_path / "s", b=np.ones((2, 3)), a=np.zeros((5, 3)))
    model = scaled(tmp_path, np.float32(2))
    points = make_inputs(model, unchanged(model), PROFILE, 0, tmp_path, samples=folder)
    assert [point.name for point in points] == ["a", "b"]
    for point, rows, number in zip(points, (5, 2), (0, 1), strict=True):
        expected = np.full((rows, 3), number, np.float32)
        for file in (point.inputs, *point.parts):
            array = load_tensors(file)["x"]
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, expected)


def test_an_input_may_go_by_its_name_in_the_source(tmp_path: Path) -> None:
    np.savez(file := tmp_path / "s.npz", image=np.ones((2, 3)))
    exported = scaled(tmp_path / "a", np.float32(2))
    renamed = SurgeryResult(exported, None, (), {"x": "image"}, {"y": "y"})
    (point,) = make_inputs(exported, renamed, PROFILE, 0, tmp_path, samples=file)
    assert load_tensors(point.inputs)["x"].shape == (2, 3)
    assert point.parts == ()  # the exported model has no input of that name


def test_of_a_freed_batch_the_source_gets_one_row(tmp_path: Path) -> None:
    array = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    np.savez(file := tmp_path / "s.npz", x=array)
    exported = scaled(tmp_path / "a", np.float32(2), (1, 3))
    final = scaled(tmp_path / "b", np.float32(2), ("batch", 3))
    (point,) = make_inputs(exported, unchanged(final), PROFILE, 0, tmp_path, samples=file)
    assert point.rows == (0,)
    np.testing.assert_array_equal(load_tensors(point.parts[0])["x"], array[:1])


@pytest.mark.parametrize(
    ("array", "reason"),
    [(np.ones((9, 3)), "the plans are for"), (np.ones(3), "the plans are for")],
)
def test_what_no_profile_holds_is_refused(tmp_path: Path, array: np.ndarray, reason: str) -> None:
    np.savez(file := tmp_path / "s.npz", x=array)
    model = scaled(tmp_path, np.float32(2))
    with pytest.raises(SourceError, match=reason):
        make_inputs(model, unchanged(model), PROFILE, 0, tmp_path, samples=file)


def test_a_missing_input_is_answered_with_what_there_is(tmp_path: Path) -> None:
    np.savez(file := tmp_path / "s.npz", picture=np.ones((2, 3)))
    model = scaled(tmp_path, np.float32(2))
    with pytest.raises(SourceError, match="has no 'x'; it has: picture"):
        make_inputs(model, unchanged(model), PROFILE, 0, tmp_path, samples=file)


def test_what_is_no_file_of_arrays_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(SourceError, match=r"is no \.npz of arrays"):
        read_samples(tmp_path / "s.npz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match=r"is a folder without a \.npz"):
        read_samples(tmp_path / "empty")


def test_outputs_may_lie_beside(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=np.ones(3))
    np.savez(tmp_path / "both.npz", x=np.ones(3), y=np.ones(3))
    assert not have_outputs(tmp_path / "in.npz", ["y"])
    assert have_outputs(tmp_path / "both.npz", ["y"])
