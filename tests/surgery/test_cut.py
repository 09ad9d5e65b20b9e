from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import apply, f32, job, model, node, operated, ops, run
from trtbuild.errors import SurgeryError
from trtbuild.surgery.cut import Cut


def chain() -> onnx.ModelProto:
    """a, b -> Add -> sum -> Relu -> active -> MatMul -> y."""
    return model(
        [
            node("Add", ["a", "b"], ["sum"]),
            node("Relu", ["sum"], ["active"]),
            node("MatMul", ["active", "w"], ["y"]),
        ],
        ["a fp32 [n, 4]", "b fp32 [n, 4]"],
        ["y fp32 [n, 2]"],
        {"w": f32(4, 2)},
    )


def test_without_cut_points_nothing_is_done() -> None:
    assert apply(Cut(), job(chain())) == (False, "no cut points were given")


def test_an_output_inside_drops_what_comes_after(tmp_path: Path) -> None:
    result = operated(tmp_path, chain(), outputs=("active",))
    assert ops(result.model) == ["Add", "Relu"]
    assert [str(spec) for spec in result.model.outputs] == ["active fp32 [n, 4]"]
    assert result.output_names == {"active": ""}
    a, b = f32(3, 4, seed=1), f32(3, 4, seed=2)
    np.testing.assert_array_equal(run(result.onnx, a=a, b=b)["active"], np.maximum(a + b, 0))


def test_an_input_inside_drops_what_comes_before_and_is_renamed(tmp_path: Path) -> None:
    result = operated(tmp_path, chain(), inputs=("mixed=sum",), outputs=("logits=y",))
    assert [str(spec) for spec in result.model.inputs] == ["mixed fp32 [n, 4]"]
    assert result.input_names == {"mixed": ""}
    assert result.output_names == {"logits": "y"}
    x = f32(2, 4, seed=3)
    expected = np.maximum(x, 0) @ f32(4, 2)
    np.testing.assert_allclose(run(result.onnx, mixed=x)["logits"], expected, rtol=1e-5)


def test_an_output_that_needs_no_input_any_more_drops_it(tmp_path: Path) -> None:
    both = model(
        [node("Relu", ["a"], ["u"]), node("Neg", ["b"], ["v"])],
        ["a fp32 [n]", "b fp32 [n]"],
        ["u fp32 [n]", "v fp32 [n]"],
    )
    result = operated(tmp_path, both, outputs=("v",))
    assert result.input_names == {"b": "b"}
    assert result.output_names == {"v": "v"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"outputs": ("activ",)},
            "--outputs names 'activ', which no tensor of the model is called; near it are active",
        ),
        ({"inputs": ("zzzz",)}, "--inputs names 'zzzz', which no tensor of the model is called"),
        ({"inputs": ("w",)}, "--inputs names 'w', which is a constant of the model"),
        ({"inputs": ("a",)}, "the outputs y need more than --inputs gives: b"),
        ({"outputs": ("y", "y")}, "--outputs gives the name 'y' twice"),
        (
            {"outputs": ("sum=y",)},
            "'y' cannot be called 'sum': another tensor has that name",
        ),
    ],
)
def test_impossible_cuts_say_why(options: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(SurgeryError) as caught:
        apply(Cut(), job(chain(), **options))
    assert caught.value.message == message
    assert caught.value.hint


def test_the_hint_completes_the_inputs() -> None:
    with pytest.raises(SurgeryError) as caught:
        apply(Cut(), job(chain(), inputs=("a",)))
    assert caught.value.hint == "add them: --inputs a,b"
