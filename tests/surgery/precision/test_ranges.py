import numpy as np

from tests.surgery.models import Array, f32, job, model, node
from trtbuild.surgery.precision.ranges import largest_values


def test_the_largest_magnitude_of_each_tensor_is_measured() -> None:
    made = model(
        [
            node("MatMul", ["x", "w"], ["m"]),
            node("Mul", ["m", "k"], ["big"]),
            node("Relu", ["big"], ["y"]),
            node("Shape", ["x"], ["s"]),
        ],
        ["x fp32 [n, 64]"],
        ["y fp32 [n, 64]", "s int64 [2]"],
        {"w": f32(64, 64), "k": np.float32(1e4)},
    )
    work = job(made, sample_shapes={"x": (5, 64)})
    largest, problem = largest_values(work)
    assert problem == ""
    assert set(largest) == {"m", "big", "y"}
    x = _input(work)
    np.testing.assert_allclose(largest["m"], np.abs(x @ f32(64, 64)).max(), rtol=1e-4)
    np.testing.assert_allclose(largest["big"], largest["m"] * 1e4, rtol=1e-4)
    assert largest["y"] <= largest["big"]


def _input(work) -> Array:  # type: ignore[no-untyped-def] # a Job
    from trtbuild.surgery.trial import values_for

    return values_for(work.graph, {"x": (5, 64)}, 0)["x"]


def test_infinities_of_a_mask_are_no_overflow() -> None:
    made = model(
        [node("Where", ["m", "x", "minus"], ["t"]), node("Softmax", ["t"], ["y"])],
        ["x fp32 [n, 4]", "m bool [n, 4]"],
        ["y fp32 [n, 4]"],
        {"minus": np.float32(-np.inf)},
    )
    largest, _ = largest_values(job(made))
    assert largest["t"] < 10


def test_shapes_are_tried_until_the_graph_runs() -> None:
    """It takes nothing but a width of 8."""
    made = model(
        [node("MatMul", ["x", "w"], ["y"])], ["x fp32 [n, m]"], ["y fp32 [n, 3]"], {"w": f32(8, 3)}
    )
    largest, problem = largest_values(job(made))
    assert problem == ""
    assert largest["y"] > 0


def test_why_a_graph_does_not_run_is_said() -> None:
    made = model(
        [node("MatMul", ["x", "w"], ["y"])], ["x fp32 [n, m]"], ["y fp32 [n, 3]"], {"w": f32(7, 3)}
    )
    largest, problem = largest_values(job(made))
    assert largest == {}
    assert "MatMul" in problem


def test_a_graph_without_floats_needs_no_run() -> None:
    made = model([node("Not", ["x"], ["y"])], ["x bool [n]"], ["y bool [n]"])
    assert largest_values(job(made)) == ({}, "")
