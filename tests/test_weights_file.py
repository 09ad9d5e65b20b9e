import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from trtbuild.errors import SourceError, UsageError
from trtbuild.weights_file import check_weights, load_weights

VALUES = np.array([[1.5, -2.0], [0.0, 3.25]], np.float32)


def safetensors(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + text + data)
    return path


def test_npz(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "w.npz", a=VALUES, b=np.arange(3))
    found = load_weights(path)
    np.testing.assert_array_equal(found["a"], VALUES)
    assert list(found) == ["a", "b"]


def test_npz_never_unpickles(tmp_path: Path) -> None:
    np.savez(path := tmp_path / "w.npz", a=np.array([{}], object))
    with pytest.raises(SourceError, match=r"w.npz' cannot be read: Object arrays cannot be loaded"):
        load_weights(path)


@pytest.mark.parametrize("size", [0, 10, 100])
def test_npz_cut_off(tmp_path: Path, size: int) -> None:
    np.savez(path := tmp_path / "w.npz", a=VALUES)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(SourceError, match=r"w.npz' cannot be read"):
        load_weights(path)


def test_safetensors_as_the_package_writes_them(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "w.safetensors"
    numpy.save_file({"a": VALUES, "empty": np.zeros((0, 2), np.int8)}, path, {"made": "here"})
    found = load_weights(path)
    np.testing.assert_array_equal(found["a"], VALUES)
    assert found["empty"].shape == (0, 2)


def test_safetensors_with_types_that_numpy_lacks(tmp_path: Path) -> None:
    data = np.array([1.5, 2.0], ml_dtypes.bfloat16)
    entry = {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}
    path = safetensors(tmp_path / "w.safetensors", {"x": entry}, data.tobytes())
    assert load_weights(path)["x"].tolist() == [1.5, 2.0]


def one(**changes: Any) -> Any:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"", "its header has 0 bytes|no JSON object"),
        (b"[1]", "its header is no JSON object"),
        (b"{", "its header is no JSON object"),
        ({"x": 1}, "'x' has no dtype, shape or place"),
        (one(dtype="F33"), "'x' has no dtype, shape or place"),
        (one(data_offsets=[0]), "'x' has no dtype, shape or place"),
        (one(data_offsets=[0, 7]), r"'x' is F32 \[2\] at 0 to 7 of 8 bytes"),
        (one(data_offsets=[4, 12]), r"'x' is F32 \[2\] at 4 to 12 of 8 bytes"),
        (one(data_offsets=[-8, 0]), "'x' is F32"),
        (one(shape=[-1, -2]), "'x' is F32"),
        (one(shape=[2.0]), "'x' is F32"),
    ],
)
def test_safetensors_that_are_damaged(tmp_path: Path, header: Any, says: str) -> None:
    path = safetensors(tmp_path / "w.safetensors", header, bytes(8))
    with pytest.raises(SourceError, match=says):
        load_weights(path)


def test_a_safetensors_header_is_not_larger_than_its_file(tmp_path: Path) -> None:
    path = safetensors(tmp_path / "w.safetensors", b"{}", length=1 << 62)
    with pytest.raises(SourceError, match=r"its header has 4611686018427387904 bytes, the file 10"):
        load_weights(path)
    path.write_bytes(b"\0\0")
    with pytest.raises(SourceError, match="the file 2"):
        load_weights(path)


def test_wts_of_tensorrts_samples_and_without_a_type(tmp_path: Path) -> None:
    path = tmp_path / "w.wts"
    path.write_text("3\na 0 2 3fc00000 c0000000\nb 1 1 3e00\nc 1 3fc00000\n")
    found = load_weights(path)
    assert found["a"].tolist() == [1.5, -2.0]
    assert (found["b"].dtype.name, found["b"].tolist()) == ("float16", [1.5])
    assert (found["c"].dtype.name, found["c"].tolist()) == ("float32", [1.5])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "its first line is not the number of its blobs"),
        ("many\n", "its first line is not the number of its blobs"),
        ("2\na 0 1 0\n", "it says that it has 2 blobs, and has 1"),
        ("1\na\n", "blob 'a' says  and has other values"),
        ("1\na 0 3 0 0\n", "blob 'a' says 0 3 and has other values"),
        ("1\na 7 2 0 0\n", "blob 'a' is of type 7"),
        ("1\na 0 2 zz 0\n", "blob 'a' has a value that is no float32 in hex"),
        ("1\na 1 2 fffff 0\n", "blob 'a' has a value that is no float16 in hex"),
        ("1\na 0 2 -1 0\n", "blob 'a' has a value that is no float32 in hex"),
        ("1\nä 0 1 0\n", "it is no text"),
    ],
)
def test_wts_that_are_damaged(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "w.wts"
    path.write_text(text, "utf-8")
    with pytest.raises(SourceError, match=says):
        load_weights(path)


def test_what_is_no_file_of_weights(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        check_weights(tmp_path / "w.npz")
    (tmp_path / "w.bin").touch()
    with pytest.raises(UsageError, match=r"is none of .npz, .safetensors, .wts"):
        check_weights(tmp_path / "w.bin")
