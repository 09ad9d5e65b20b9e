from pathlib import Path

import onnx
import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.tensor import InputOverride
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")


def saved(tf_worker: Worker, folder: Path, name: str) -> str:
    function = "tests.sources.tf_models:saved_function"
    return tf_worker.call(function, str, path=folder / name, name=name)


@pytest.mark.parametrize("name", ["gelu", "erfc", "half", "integers", "scalar", "resize_nearest"])
def test_the_numbers_are_the_same(
    tf_worker: Worker, convert: Convert, tmp_path: Path, name: str
) -> None:
    convert(tf_worker, saved(tf_worker, tmp_path, name)).check_numbers()


def test_nearest_neighbours_are_written_as_tensorrt_reads_them(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    converted = convert(tf_worker, saved(tf_worker, tmp_path, "resize_nearest"))
    onnx.checker.check_model(converted.model.path, full_check=True)
    [resize] = [n for n in onnx.load(converted.model.path).graph.node if n.op_type == "Resize"]
    modes = {a.name: a.s for a in resize.attribute if a.s}
    assert modes["coordinate_transformation_mode"] == b"half_pixel"
    assert modes["nearest_mode"] == b"round_prefer_ceil"


def test_ops_without_translation_are_all_named(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = saved(tf_worker, tmp_path, "unsupported")
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    start, _, ops = caught.value.message.partition(" no ONNX op stands for: ")
    assert start == f"the SavedModel '{path}' has TensorFlow ops that"
    assert {op.split(" ")[0] for op in ops.split(", ")} == {"Lgamma", "BesselI0"}
    assert caught.value.hint.endswith("cut a frozen graph with --inputs and --outputs")


def test_an_input_of_any_rank_needs_its_dims(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = saved(tf_worker, tmp_path, "any_rank")
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert caught.value.message == (
        f"input 'x' of the SavedModel '{path}' does not say how many dims it has"
    )
    assert caught.value.hint == "say so: --input 'x=[batch,3,224,224]'"
    override = InputOverride("x", None, ("batch", 4))
    converted = convert(tf_worker, path, overrides=(override,))
    assert shapes(converted.model.inputs) == ["x fp32 [batch, 4]"]
    assert shapes(converted.model.outputs) == ["y fp32 [batch, 4]"]
    converted.check_numbers()
