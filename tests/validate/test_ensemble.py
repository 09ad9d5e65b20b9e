"""An ensemble's tensors: written, read, ready."""

from __future__ import annotations

from typing import Any

from trtbuild.modelconfig.schema import new_config
from trtbuild.validate.ensemble import Graph


def graph(
    inputs: list[str], outputs: list[str], *steps: tuple[dict[str, str], dict[str, str]]
) -> Graph:
    made: list[dict[str, Any]] = [
        {"model_name": "m", "input_map": takes, "output_map": gives} for takes, gives in steps
    ]
    return Graph(
        new_config(
            input=[{"name": name} for name in inputs],
            output=[{"name": name} for name in outputs],
            ensemble_scheduling={"step": made},
        )
    )


def test_steps_in_any_order_become_ready() -> None:
    made = graph(["a"], ["c"], ({"x": "b"}, {"y": "c"}), ({"x": "a"}, {"y": "b"}))
    assert made.ready == {"a", "b", "c"}
    assert made.tensors == {"a", "b", "c"}
    assert made.writers["c"][0].step.number == 0


def test_a_step_waits_for_all_its_inputs() -> None:
    made = graph(["a"], ["c"], ({"x": "a", "y": "absent"}, {"z": "c"}))
    assert made.ready == {"a"}
    assert made.missing == {"c": ("absent",)}


def test_steps_that_wait_for_each_other_are_never_ready() -> None:
    made = graph(["a"], ["b"], ({"x": "c"}, {"y": "b"}), ({"x": "b"}, {"y": "c"}))
    assert made.ready == set()
    assert made.missing == {}
