from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trtbuild.tensorfile import load_tensors, save_tensors

_NUMBERS = hnp.arrays(
    dtype=hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc"),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)


@given(st.dictionaries(st.text(max_size=10), _NUMBERS, max_size=4))
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, tensors: dict) -> None:  # type: ignore[type-arg]
    path = tmp_path_factory.mktemp("tensors") / "tensors.npz"
    save_tensors(path, tensors)
    loaded = load_tensors(path)
    assert list(loaded) == list(tensors)
    for name, array in tensors.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e4m3fn", "int4"])
def test_the_types_numpy_lacks(tmp_path: Path, name: str) -> None:
    array = np.array([[0, 1], [2, 3]]).astype(getattr(ml_dtypes, name))
    save_tensors(tmp_path / "t", {"x": array})
    loaded = load_tensors(tmp_path / "t")["x"]
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)


def test_strings_come_back_as_bytes(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t", {"s": np.array([["a", "bc"], [b"", "\u00e9"]], dtype=object)})
    loaded = load_tensors(tmp_path / "t")["s"]
    assert loaded.tolist() == [[b"a", b"bc"], [b"", "\u00e9".encode()]]


def test_a_pickle_in_the_file_is_not_loaded(tmp_path: Path) -> None:
    name = np.frombuffer(b'["x", "float32"]', np.uint8)
    arrays: dict[str, Any] = {"0_name": name, "0_data": np.array([{}])}
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match="allow_pickle"):
        load_tensors(tmp_path / "t.npz")


def test_names_and_texts_may_end_in_nul(tmp_path: Path) -> None:
    texts = np.array([[b"", b"a\0"], [b"\0\0", b"b"]], dtype=object)
    save_tensors(tmp_path / "t", {"x\0": texts, "none": np.empty((0, 2), dtype=object)})
    loaded = load_tensors(tmp_path / "t")
    assert list(loaded) == ["x\0", "none"]
    assert loaded["x\0"].tolist() == texts.tolist()
    assert loaded["none"].shape == (0, 2)
