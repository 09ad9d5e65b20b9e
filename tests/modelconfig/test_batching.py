"""Batches over several profiles; those of one are in test_derive.py, with their configs."""

from pathlib import Path

import pytest

from trtbuild.artifacts import OnnxModel, Profile, Range
from trtbuild.modelconfig.batching import Batch, batch_of
from trtbuild.tensor import TensorSpec

IDS = TensorSpec("ids", "int64", ("batch", "seq"))
OUT = TensorSpec("y", "fp32", ("batch", 2))
MODEL = OnnxModel(Path("/m"), ("model.onnx",), "d", 1, (IDS,), (OUT,), 17, "test")

Sizes = tuple[int, int, int]


def profile(batch: Sizes, seq: Sizes = (1, 64, 128)) -> Profile:
    return {"ids": Range(*zip(batch, seq, strict=True))}


@pytest.mark.parametrize(
    ("profiles", "expected"),
    [
        ([profile((1, 1, 1)), profile((2, 16, 32))], Batch((1, 16), 32)),
        ([profile((2, 16, 32)), profile((1, 1, 1))], Batch((16, 1), 32)),
        ([profile((1, 8, 32)), profile((1, 8, 32), (1, 64, 512))], Batch((8,), 32)),
        # 2x512 fits no profile, though 1x512 does: a server must not join two of them
        ([profile((1, 1, 1), (1, 9, 512)), profile((1, 16, 32))], Batch((1, 16), 32, formed=False)),
        ([profile((1, 1, 1)), profile((8, 8, 8))], None),  # 2 to 7 fit none
        ([profile((2, 8, 8)), profile((4, 8, 16))], None),  # 1 fits none
    ],
)
def test_of_several_profiles(profiles: list[Profile], expected: Batch | None) -> None:
    assert batch_of(MODEL, tuple(profiles)) == expected


def test_inputs_whose_batches_differ_in_one_profile() -> None:
    model = OnnxModel(
        Path("/m"), ("m",), "d", 1, (IDS, TensorSpec("z", "fp32", ("batch",))), (OUT,), 17, ""
    )
    one = {"ids": Range((1, 1), (2, 1), (4, 1)), "z": Range((1,), (2,), (4,))}
    other = {"ids": Range((1, 1), (2, 1), (4, 1)), "z": Range((1,), (2,), (8,))}
    assert batch_of(model, (one,)) == Batch((2,), 4)
    assert batch_of(model, (one, other)) is None
