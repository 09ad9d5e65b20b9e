from pathlib import Path

import onnx
import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node


def product(left: str, right: str, out: str) -> onnx.ModelProto:
    return model(
        [node("MatMul", ["a", "b"], ["y"])],
        [f"a fp32 [{left}]", f"b fp32 [{right}]"],
        [f"y fp32 [{out}]"],
    )


@pytest.mark.parametrize(
    ("left", "right", "out"),
    [((4,), (3, 4, 2), "3, 2"), ((2, 3, 4), (4,), "2, 3"), ((4,), (2, 3, 4, 1), "2, 3, 1")],
)
def test_a_vector_and_a_stack(
    tmp_path: Path, left: tuple[int, ...], right: tuple[int, ...], out: str
) -> None:
    made = product(", ".join(map(str, left)), ", ".join(map(str, right)), out)
    check_rewritten(tmp_path, made, a=f32(*left), b=f32(*right, seed=1))


@pytest.mark.parametrize(
    "case", [("4", "4, 2", "2"), ("4", "4", ""), ("n, 3, 4", "4, 2", "n, 3, 2")]
)
def test_others_are_left_alone(case: tuple[str, str, str]) -> None:
    check_left_alone(product(*case))
