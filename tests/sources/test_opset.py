from pathlib import Path

import numpy as np
import onnx
import onnx.reference
import onnxruntime as ort
import pytest
from onnx.checker import ValidationError

from tests.sources import onnx_models as models
from tests.surgery.models import model, node
from trtbuild.errors import SourceError
from trtbuild.onnx_model import default_opset
from trtbuild.onnx_weights import is_stored, read_skeleton
from trtbuild.sources.opset import at_opset, check


def test_new_enough_is_left_alone() -> None:
    model = models.affine(opset=13)
    assert at_opset(model, None) == (model, "")
    assert at_opset(model, None)[0] is model
    assert at_opset(model, 13)[0] is model


@pytest.mark.parametrize(("have", "asked", "want"), [(9, None, 13), (9, 17, 17), (17, 21, 21)])
def test_converted_up(have: int, asked: int | None, want: int) -> None:
    model = models.affine(opset=have)
    before = model.SerializeToString(deterministic=True)
    converted, note = at_opset(model, asked)
    assert (default_opset(converted), note) == (want, "")
    assert model.SerializeToString(deterministic=True) == before
    assert converted.producer_name == "tests"
    x = np.random.default_rng(0).standard_normal((2, 4)).astype(np.float32)
    results = [
        ort.InferenceSession(m.SerializeToString()).run(["y"], {"x": x})[0]
        for m in (model, converted)
    ]
    np.testing.assert_allclose(results[0], results[1], rtol=1e-6)


def test_what_cannot_be_converted_is_kept_with_a_note() -> None:
    model = models.with_op("NoSuchOp", opset=9)
    same, note = at_opset(model, None)
    assert same is model
    assert note.startswith("kept at opset 9, because onnx cannot convert it to 13: ")
    assert "NoSuchOp" in note


def test_what_was_asked_for_must_work() -> None:
    with pytest.raises(SourceError) as caught:
        at_opset(models.with_op("NoSuchOp", opset=9), 17)
    assert caught.value.message.startswith(
        "the model has opset 9 and cannot be converted to opset 17: "
    )
    assert caught.value.hint == (
        "leave --opset out, or export the model with that opset from its own framework"
    )


def test_an_opset_that_nobody_knows() -> None:
    with pytest.raises(SourceError, match="cannot be converted to opset 999: "):
        at_opset(models.affine(), 999)


def test_a_model_without_ops_of_onnx() -> None:
    model = models.with_op("Fancy", "com.example")
    del model.opset_import[0]
    assert at_opset(model, None) == (model, "")


def test_stored_weights_stay_where_they_are(tmp_path: Path) -> None:
    path = models.save(models.affine(opset=9, rows=400, output=("batch", 3)), tmp_path / "x.onnx")
    model = read_skeleton(path)
    converted, note = at_opset(model, None)
    assert (default_opset(converted), note) == (13, "")
    assert converted.graph.initializer == model.graph.initializer
    assert is_stored(converted.graph.initializer[0])


def test_the_checker_takes_skeletons(tmp_path: Path) -> None:
    model = read_skeleton(models.save(models.affine(rows=400), tmp_path / "x.onnx"))
    check(model)
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("nonsense", 1))
    with pytest.raises(ValidationError, match="Unrecognized attribute: nonsense"):
        check(model)


@pytest.mark.parametrize("dims", [[2, 3, 4, 3], [2, 3, 3], [2, 3]])
def test_slopes_of_old_stay_one_for_each_channel(dims: list[int]) -> None:
    """Not of the last dim, which may have as many."""
    shape = ", ".join(map(str, dims))
    made = model(
        [node("PRelu", ["x", "s"], ["y"])],
        [f"x fp32 [{shape}]"],
        [f"y fp32 [{shape}]"],
        {"s": np.array([0.1, 0.2, 0.3], "f4")},
        opset=6,
    )
    converted, said = at_opset(made, None)
    assert said == ""
    x = -np.ones(dims, np.float32)
    (y,) = onnx.reference.ReferenceEvaluator(converted).run(None, {"x": x})
    slopes = np.array([0.1, 0.2, 0.3], "f4").reshape([3] + [1] * (len(dims) - 2))
    np.testing.assert_array_equal(y, x * slopes)


def test_a_slope_that_is_something_else_too_is_left_at_its_opset() -> None:
    made = model(
        [node("PRelu", ["x", "s"], ["r"]), node("PRelu", ["r", "s"], ["y"])],
        ["x fp32 [2, 3, 4]"],
        ["y fp32 [2, 3, 4]"],
        {"s": np.ones(3, "f4")},
        opset=6,
    )
    same, said = at_opset(made, None)
    assert same is made
    assert "one slope for each channel" in said
