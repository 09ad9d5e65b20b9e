from pathlib import Path

import pytest

from tests.surgery.lower.rewrites import check_left_alone, check_rewritten
from tests.surgery.models import f32, model, node

GATES = {"GRU": 3, "LSTM": 4, "RNN": 1}
B, T, X, H = 3, 4, 2, 5  # batch, time, input and hidden sizes


@pytest.mark.parametrize("op", GATES)
def test_the_batch_first(tmp_path: Path, op: str) -> None:
    """ONNX Runtime refuses layout=1 too: onnx's reference tells what is right."""
    gates = GATES[op]
    weights = {"w": f32(1, gates * H, X, seed=1), "r": f32(1, gates * H, H, seed=2)}
    made = model(
        [node(op, ["x", "w", "r"], ["y", "h"], hidden_size=H, layout=1)],
        [f"x fp32 [{B}, {T}, {X}]"],
        [f"y fp32 [{B}, {T}, 1, {H}]", f"h fp32 [{B}, 1, {H}]"],
        weights,
    )
    check_rewritten(tmp_path, made, by_reference=True, x=f32(B, T, X))


def test_the_state_is_turned_too(tmp_path: Path) -> None:
    weights = {
        "w": f32(1, H, X, seed=1),
        "r": f32(1, H, H, seed=2),
        "h0": f32(B, 1, H, seed=3),
    }
    made = model(
        [node("RNN", ["x", "w", "r", "", "", "h0"], ["", "h"], hidden_size=H, layout=1)],
        [f"x fp32 [{B}, {T}, {X}]"],
        [f"h fp32 [{B}, 1, {H}]"],
        weights,
    )
    check_rewritten(tmp_path, made, by_reference=True, x=f32(B, T, X))


def test_the_sequence_first_is_left_alone() -> None:
    check_left_alone(
        model(
            [node("RNN", ["x", "w", "r"], ["y"], hidden_size=H)],
            [f"x fp32 [{T}, {B}, {X}]"],
            [f"y fp32 [{T}, 1, {B}, {H}]"],
            {"w": f32(1, H, X), "r": f32(1, H, H)},
        )
    )
