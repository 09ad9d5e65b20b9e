from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, i64, model, node, ops

XYZ = ["x", "y", "z"]
CONSTRUCT = node("SequenceConstruct", XYZ, ["s"])


def of(
    *nodes: onnx.NodeProto, out: str = "out fp32 [a, b]", opset: int = 17, **constants: Any
) -> onnx.ModelProto:
    ends = [f"{name} fp32 [2, 3]" for name in XYZ]
    arrays = {k: np.array(v) for k, v in constants.items()}
    return model(list(nodes), ends, [out], arrays, opset)


def check(folder: Path, made: onnx.ModelProto) -> list[str]:
    feed = {name: f32(2, 3, seed=i) for i, name in enumerate(XYZ)}
    left = ops(check_rewritten(folder, made, by_reference=True, **feed))
    assert not [op for op in left if "Sequence" in op]
    return left


@pytest.mark.parametrize("at", [0, 2, -1])
def test_a_member_is_the_tensor(tmp_path: Path, at: int) -> None:
    check(tmp_path, of(CONSTRUCT, node("SequenceAt", ["s", "p"], ["out"]), p=at))


def test_members_come_and_go(tmp_path: Path) -> None:
    made = of(
        node("SequenceEmpty", [], ["e"]),
        node("SequenceInsert", ["e", "x"], ["s1"]),
        node("SequenceInsert", ["s1", "y"], ["s2"]),
        node("SequenceInsert", ["s2", "z", "first"], ["s3"]),
        node("SequenceErase", ["s3", "last"], ["s4"]),
        node("SequenceErase", ["s3"], ["s5"]),
        node("ConcatFromSequence", ["s4"], ["a"], axis=0),
        node("ConcatFromSequence", ["s5"], ["b"], axis=0),
        node("Sub", ["a", "b"], ["out"]),
        first=0,
        last=-2,
    )
    check(tmp_path, made)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_members_are_joined_along_a_new_axis(tmp_path: Path, axis: int) -> None:
    join = node("ConcatFromSequence", ["s"], ["out"], axis=axis, new_axis=1)
    check(tmp_path, of(CONSTRUCT, join, out="out fp32 [a, b, c]"))


@pytest.mark.parametrize(
    ("attrs", "split"),
    [({"axis": 1}, 2), ({"axis": -1}, [1, 2]), ({"axis": 0}, None), ({"axis": 1}, 3)],
)
def test_parts(tmp_path: Path, attrs: dict[str, Any], split: Any) -> None:
    names = ["x"] if split is None else ["x", "sizes"]
    made = of(
        node("SplitToSequence", names, ["s"], **attrs),
        node("SequenceAt", ["s", "p"], ["out"]),
        p=0,
        **({} if split is None else {"sizes": split}),
    )
    check(tmp_path, made)


def test_parts_without_their_axis(tmp_path: Path) -> None:
    made = of(
        node("SplitToSequence", ["x"], ["s"], axis=1, keepdims=0),
        node("SequenceAt", ["s", "p"], ["out"]),
        out="out fp32 [a]",
        p=1,
    )
    check(tmp_path, made)


def test_how_many(tmp_path: Path) -> None:
    made = of(
        CONSTRUCT,
        node("SequenceLength", ["s"], ["n"]),
        node("Cast", ["n"], ["f"], to=onnx.TensorProto.FLOAT),
        node("Mul", ["x", "f"], ["out"]),
    )
    check(tmp_path, made)


def test_what_is_there_of_an_optional_value(tmp_path: Path) -> None:
    made = of(
        node("OptionalHasElement", ["x"], ["here"]),
        node("OptionalHasElement", [], ["not_here"]),
        node("OptionalGetElement", ["x"], ["value"]),
        node("And", ["here", "not_here"], ["both"]),
        node("Where", ["both", "y", "value"], ["out"]),
        opset=18,
    )
    left = check(tmp_path, made)
    assert not [op for op in left if "Optional" in op]


def test_a_place_that_varies_is_left_alone() -> None:
    ends = [*(f"{name} fp32 [2, 3]" for name in XYZ), "p int64 []"]
    made = model([CONSTRUCT, node("SequenceAt", ["s", "p"], ["out"])], ends, ["out fp32 [2, 3]"])
    check_left_alone(made)


def test_a_model_without_any_is_left_alone() -> None:
    check_left_alone(of(node("Concat", ["x", "y"], ["out"], axis=0), unused=i64(1)))
