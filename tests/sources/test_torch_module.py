from pathlib import Path

import onnx
import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.tensor import input_override_from_text
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
FILE = Path(__file__).parent / "torch_models.py"


def inputs(*texts: str) -> dict[str, object]:
    return {"overrides": tuple(input_override_from_text(text) for text in texts)}


def test_a_factory_with_example_inputs(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:with_examples")
    assert (converted.ref.kind, converted.ref.name) == ("torch", "with_examples")
    assert converted.ref.digest is None
    assert shapes(converted.model.inputs) == ["image fp32 [batch, 3, 16, 16]"]
    assert shapes(converted.model.outputs) == [
        "logits fp32 [batch, 5]",
        "features fp32 [batch, 4, 14, 14]",
    ]
    assert converted.model.producer.startswith("pytorch 2.")
    assert converted.model.notes == ()
    converted.check_numbers()


def test_a_dotted_name(torch_worker: Worker, convert: Convert) -> None:
    convert(torch_worker, "tests.sources.torch_models:with_examples").check_numbers()


def test_inputs_from_the_command_line(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:plain", **inputs("image=fp32[batch,3,height,width]"))
    assert shapes(converted.model.inputs) == ["image fp32 [batch, 3, height, width]"]
    assert shapes(converted.model.outputs) == [
        "logits fp32 [batch, 5]",
        "features fp32 [batch, 4, height - 2, width - 2]",
    ]
    converted.check_numbers()


def test_inputs_by_position_get_new_names(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(
        torch_worker,
        f"{FILE}:by_name",
        **inputs("factors", "image=[batch,3,8,8]"),
        output_names=("a", "b"),
    )
    assert shapes(converted.model.inputs) == [
        "image fp32 [batch, 3, 8, 8]",
        "factors fp32 [batch]",
    ]
    assert [spec.name for spec in converted.model.outputs] == ["a", "b"]
    converted.check_numbers()


def test_a_fixed_batch(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:with_examples", **inputs("image=[4,3,16,16]"))
    assert shapes(converted.model.inputs) == ["image fp32 [4, 3, 16, 16]"]
    converted.check_numbers()


def test_nested_inputs_and_outputs(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:nested")
    assert shapes(converted.model.inputs) == [
        "x fp32 [batch, 4]",
        "states_0 fp32 [batch, 4]",
        "states_1 fp32 [batch, 2]",
    ]
    assert shapes(converted.model.outputs) == [
        "output_0 fp32 [batch, 4]",
        "output_1_0 fp32 [batch, 2]",
        "output_1_1_0 fp32 [batch]",
        "output_2 fp32 [batch, 4]",
    ]
    converted.check_numbers()


def test_integers_and_two_dims_that_vary(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(
        torch_worker, f"{FILE}:text", **inputs("ids=int64[batch,steps]", "mask=[batch,steps]")
    )
    assert shapes(converted.model.outputs) == ["output fp32 [batch, steps, 8]"]
    converted.check_numbers()


def test_example_shapes_for_dims_with_names(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(
        torch_worker,
        f"{FILE}:plain",
        **inputs("image=[batch,3,height,width]"),
        example_shapes={"image": (4, 3, 30, 40)},
    )
    converted.check_numbers()
    with pytest.raises(SourceError) as caught:
        convert(
            torch_worker,
            f"{FILE}:plain",
            **inputs("image=[batch,3,height,width]"),
            example_shapes={"image": (4, 3)},
        )
    assert caught.value.message == (
        "--input 'image' has 4 dims [batch, 3, height, width], and the shapes given for it "
        "have 2: [4, 3]"
    )


@pytest.mark.parametrize("factory", ["recurrent", "half", "instance"])
def test_other_modules(torch_worker: Worker, convert: Convert, factory: str) -> None:
    texts = ["input=[batch,4]"] if factory == "instance" else []
    converted = convert(torch_worker, f"{FILE}:{factory}", **inputs(*texts))
    assert converted.model.inputs[0].shape[0] == "batch"
    converted.check_numbers(tolerance=1e-3 if factory == "half" else 1e-5)


def test_a_dim_that_the_code_fixes(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:fixed")
    assert shapes(converted.model.inputs) == ["x fp32 [2, 3]"]
    assert converted.model.notes == (
        "dim 'batch' of input 'x' does not vary: the model's code makes it 2",
    )
    converted.check_numbers()


def test_a_module_that_takes_a_batch_of_one(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(torch_worker, f"{FILE}:one_at_a_time")
    assert shapes(converted.model.inputs) == ["x fp32 [1, 4]"]
    assert converted.model.notes == (
        f"no dim varies: the module of '{FILE}:one_at_a_time' fails when it is called with "
        "x [2, 4]: one at a time",
    )
    converted.check_numbers()


def test_the_reference_run_is_of_the_object_that_was_exported(
    torch_worker: Worker, convert: Convert
) -> None:
    convert(torch_worker, f"{FILE}:really_random").check_numbers()


def test_the_same_seed_gives_the_same_file(torch_worker: Worker, convert: Convert) -> None:
    first = convert(torch_worker, f"{FILE}:with_examples", seed=1).model.digest
    second = convert(torch_worker, f"{FILE}:with_examples", seed=2).model.digest
    again = convert(torch_worker, f"{FILE}:with_examples", seed=1).model.digest
    assert first == again != second


def test_no_source_lines_are_published(torch_worker: Worker, convert: Convert) -> None:
    model = convert(torch_worker, f"{FILE}:with_examples").model
    assert str(FILE).encode() not in model.path.read_bytes()
    assert b"self.body" not in model.path.read_bytes()
    onnx.checker.check_model(model.path, full_check=True)


def test_unknown_inputs(torch_worker: Worker, convert: Convert) -> None:
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, f"{FILE}:plain")
    assert caught.value.message == (
        f"the module of '{FILE}:plain' does not say what it is called with: nothing is known "
        "of image"
    )
    assert caught.value.hint == "say it: --input 'image=fp32[batch,3,224,224]'"


def test_a_wrong_shape_is_the_modules_error(torch_worker: Worker, convert: Convert) -> None:
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, f"{FILE}:plain", **inputs("image=[batch,7,16,16]"))
    assert caught.value.message.startswith(
        f"the module of '{FILE}:plain' fails when it is called with image [2, 7, 16, 16]: "
        "Given groups=1"
    )


def test_no_tensors_come_out(torch_worker: Worker, convert: Convert) -> None:
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, f"{FILE}:no_tensors")
    assert caught.value.message == f"the module of '{FILE}:no_tensors' returns no tensors"


def test_what_input_says_is_an_error_where_the_module_cannot_take_it(
    torch_worker: Worker, convert: Convert
) -> None:
    with pytest.raises(SourceError, match="fails when it is called with image"):
        convert(torch_worker, f"{FILE}:with_examples", **inputs("image=fp32[batch,4,16,16]"))


def test_dims_of_one_name_are_sized_together(torch_worker: Worker, convert: Convert) -> None:
    converted = convert(
        torch_worker,
        f"{FILE}:sum_of_two",
        **inputs("a=fp32[batch,seq]", "b=fp32[batch,seq]"),
        example_shapes={"a": (4, 16)},
    )
    assert shapes(converted.model.inputs) == ["a fp32 [batch, seq]", "b fp32 [batch, seq]"]
    converted.check_numbers()
