"""The search itself is tested in `tests/verify/test_bisect.py`; here what is shown of its end."""

import msgspec
import pytest

from trtbuild.artifacts import Comparison
from trtbuild.cli.debug import _show
from trtbuild.debugging import Diagnosis
from trtbuild.verify.bisect import Candidate

FIRST = Comparison(
    "ONNX in fp32 vs plan", "min", "big", 0.0, 0.0, 0.0, (0, 2), ("90000", "inf"), 0.01, 0.01,
    False, "1 of 4 elements are NaN or infinite",
)  # fmt: skip
UP = Candidate("big", "up", "Mul", ("x1", "x2"))
ONE = Diagnosis("model.onnx", True, 3, FIRST, (UP,))


def shown(found: Diagnosis, capsys: pytest.CaptureFixture[str]) -> list[str]:
    _show(found)
    return capsys.readouterr().out.splitlines()


def test_the_layer_that_departs(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(ONE, capsys) == [
        "the first layer that departs is Mul 'up' (after 3 builds)",
        "its tensor big (min shapes): 1 of 4 elements are NaN or infinite at [0, 2]: 90000 -> inf",
        "right until then: x1, x2",
    ]


def test_layers_that_were_not_parted(capsys: pytest.CaptureFixture[str]) -> None:
    many = tuple(Candidate(f"t{i}", f"n{i}", "Relu", ()) for i in range(12))
    lines = shown(msgspec.structs.replace(ONE, suspects=many), capsys)
    assert lines[0] == "one of these 12 layers departs; after 3 builds they are not parted:"
    assert lines[10:12] == ["  Relu 'n9' -> t9", "  and 2 more"]
    fused = shown(msgspec.structs.replace(ONE, suspects=many[:2], fused=True), capsys)
    assert fused[0].startswith("it departs where TensorRT fuses these 2 layers")


def test_a_plan_that_agrees(capsys: pytest.CaptureFixture[str]) -> None:
    found = Diagnosis("model.onnx", False, 1, None, ())
    assert shown(found, capsys) == ["model.onnx: the plan agrees with ONNX in fp32 (1 build)"]
