from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.surgery.models import apply, f32, job, model, node, operated, ops, run
from trtbuild.errors import SurgeryError
from trtbuild.surgery.override_inputs import OverrideInputs
from trtbuild.tensor import input_override_from_text as override


def two_inputs() -> onnx.ModelProto:
    return model(
        [node("Add", ["a", "b"], ["s"]), node("Relu", ["s"], ["y"])],
        ["a fp32 [batch, 4]", "b fp32 [batch, 4]"],
        ["y fp32 [batch, 4]"],
    )


def fixed() -> onnx.ModelProto:
    """A convolution whose every dim is fixed."""
    return model(
        [node("Conv", ["image", "w"], ["y"], pads=[1, 1, 1, 1])],
        ["image fp32 [1, 3, 8, 8]"],
        ["y fp32 [1, 2, 8, 8]"],
        {"w": f32(2, 3, 3, 3)},
    )


def interface(folder: Path, made: onnx.ModelProto, *texts: str) -> tuple[list[str], list[str]]:
    result = operated(folder, made, overrides=tuple(map(override, texts)))
    return [str(s) for s in result.model.inputs], [str(s) for s in result.model.outputs]


def test_without_overrides_nothing_is_done() -> None:
    assert apply(OverrideInputs(), job(two_inputs())) == (False, "no --input was given")


def test_what_is_so_already_is_no_change() -> None:
    work = job(two_inputs(), overrides=(override("b=fp32[batch,4]"),))
    assert apply(OverrideInputs(), work) == (False, "the inputs are as asked")


def test_as_many_as_inputs_rename_by_position(tmp_path: Path) -> None:
    options = {"overrides": (override("left"), override("right"))}
    result = operated(tmp_path, two_inputs(), **options)
    assert result.input_names == {"left": "a", "right": "b"}
    outputs = run(result.onnx, left=f32(1, 4), right=f32(1, 4))
    np.testing.assert_array_equal(outputs["y"], np.maximum(2 * f32(1, 4), 0))


def test_one_known_name_in_its_place_renames_the_other(tmp_path: Path) -> None:
    assert interface(tmp_path, two_inputs(), "a", "mask")[0] == [
        "a fp32 [batch, 4]",
        "mask fp32 [batch, 4]",
    ]


def test_known_names_go_by_name_in_any_order(tmp_path: Path) -> None:
    options = {"overrides": (override("b=[4,4]"), override("a"))}
    result = operated(tmp_path, two_inputs(), **options)
    assert result.input_names == {"a": "a", "b": "b"}


def test_a_number_fixes_the_dim_wherever_its_name_is(tmp_path: Path) -> None:
    inputs, outputs = interface(tmp_path, two_inputs(), "a=[8,4]")
    assert inputs == ["a fp32 [8, 4]", "b fp32 [8, 4]"]
    assert outputs == ["y fp32 [8, 4]"]


def test_another_name_renames_the_dim_wherever_it_is(tmp_path: Path) -> None:
    inputs, outputs = interface(tmp_path, two_inputs(), "b=[rows,4]")
    assert inputs == ["a fp32 [rows, 4]", "b fp32 [rows, 4]"]
    assert outputs == ["y fp32 [rows, 4]"]


def test_a_name_frees_a_fixed_dim(tmp_path: Path) -> None:
    inputs, outputs = interface(tmp_path, fixed(), "image=[n,3,h,w]")
    assert inputs == ["image fp32 [n, 3, h, w]"]
    assert outputs[0].startswith("y fp32 [n, 2, ")


def test_a_number_keeps_the_batch_dim_fixed(tmp_path: Path) -> None:
    assert interface(tmp_path, fixed(), "image=[1,3,8,8]")[0] == ["image fp32 [1, 3, 8, 8]"]


@pytest.mark.parametrize(
    ("dtype", "array"),
    [
        ("uint8", np.arange(192, dtype=np.uint8)),
        ("fp16", np.arange(192, dtype=np.float16)),
        ("int32", np.arange(192, dtype=np.int32)),
    ],
)
def test_a_data_type_is_cast_to_what_the_graph_takes(
    tmp_path: Path, dtype: str, array: np.ndarray
) -> None:
    result = operated(tmp_path, fixed(), overrides=(override(f"image={dtype}"),))
    assert result.model.inputs[0].dtype == dtype
    assert ops(result.model) == ["Cast", "Conv"]
    image = array.reshape(1, 3, 8, 8)
    expected = run(fixed(), image=image.astype(np.float32))["y"]
    np.testing.assert_allclose(run(result.onnx, image=image)["y"], expected, rtol=1e-4, atol=1e-4)


def test_smaller_integers_may_stand_for_larger_ones(tmp_path: Path) -> None:
    lookup = model(
        [node("Gather", ["w", "ids"], ["y"])],
        ["ids int64 [n]"],
        ["y fp32 [n, 4]"],
        {"w": f32(10, 4)},
    )
    result = operated(tmp_path, lookup, overrides=(override("ids=int32"),))
    ids = np.array([9, 0], dtype=np.int32)
    np.testing.assert_array_equal(run(result.onnx, ids=ids)["y"], f32(10, 4)[[9, 0]])


ADDS = "there are: a fp32 [batch, 4]; b fp32 [batch, 4]"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["c"], f"--input names c, which the model does not have; {ADDS}"),
        (["a", "b", "c"], f"--input names c, which the model does not have; {ADDS}"),
        (
            ["b", "c"],
            f"--input names c, which the model does not have, and 'b' out of its place; {ADDS}",
        ),
        (["a", "a"], "--input names 'a' twice"),
        (
            ["a=[batch,4,4]"],
            "--input gives 'a' the shape [batch, 4, 4]; the model has a fp32 [batch, 4]",
        ),
        (
            ["a=[batch,5]"],
            "--input gives dim 1 of 'a' as 5; in the model it is fixed at 4: a fp32 [batch, 4]",
        ),
        (["a=[2,4]", "b=[3,4]"], "--input gives the dim 'batch' as 2 and as 3"),
        (
            ["a=bool"],
            "--input gives 'a' as bool; the model takes fp32, which bool values cannot stand for",
        ),
        (
            ["a=fp64"],
            "--input gives 'a' as fp64; the model takes fp32, which fp64 values cannot stand for",
        ),
        (["s", "q"], "the input 'a' cannot be called 's': another tensor has that name"),
    ],
)
def test_contradictions_say_what_there_is(texts: list[str], message: str) -> None:
    work = job(two_inputs(), overrides=tuple(map(override, texts)))
    with pytest.raises(SurgeryError) as caught:
        apply(OverrideInputs(), work)
    assert caught.value.message == message
    assert caught.value.hint


def test_a_dim_that_the_graph_needs_fixed_is_refused() -> None:
    rigid = model(
        [node("Flatten", ["x"], ["r"]), node("MatMul", ["r", "w"], ["y"])],
        ["x fp32 [n, 2, 6]"],
        ["y fp32 [n, 5]"],
        {"w": f32(12, 5)},
    )
    work = job(rigid, overrides=(override("x=[n,2,wide]"),))
    with pytest.raises(SurgeryError) as caught:
        apply(OverrideInputs(), work)
    assert caught.value.message.startswith("dim 2 of 'x' cannot vary: ")
    assert caught.value.hint == "export the model anew with that dim dynamic"
