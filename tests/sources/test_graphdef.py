from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
MODELS = "tests.sources.tf_models"


@pytest.fixture(scope="module")
def frozen(tf_worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("graphdef") / "classifier.pb"
    return tf_worker.call(f"{MODELS}:graph_def", str, path=path, frozen=True)


def test_inputs_and_outputs_are_found(tf_worker: Worker, frozen: str, convert: Convert) -> None:
    converted = convert(tf_worker, frozen)
    assert (converted.ref.kind, converted.ref.name) == ("graphdef", "classifier")
    assert shapes(converted.model.inputs) == ["x_in fp32 [batch, 4]"]
    assert shapes(converted.model.outputs) == ["scores fp32 [batch, 3]", "best fp32 [batch]"]
    converted.check_numbers()


def test_cut_at_tensors_with_new_names(tf_worker: Worker, frozen: str, convert: Convert) -> None:
    converted = convert(
        tf_worker, frozen, inputs=("logits=hidden:0",), outputs=("probabilities=scores",)
    )
    assert shapes(converted.model.inputs) == ["logits fp32 [batch, 3]"]
    assert shapes(converted.model.outputs) == ["probabilities fp32 [batch, 3]"]
    converted.check_numbers()


def test_a_placeholder_with_a_default_can_be_fed(
    tf_worker: Worker, frozen: str, convert: Convert
) -> None:
    converted = convert(tf_worker, frozen, inputs=("x_in", "keep_prob"), outputs=("hidden",))
    assert shapes(converted.model.inputs) == ["x_in fp32 [batch, 4]", "keep_prob fp32 []"]
    converted.check_numbers()


def test_a_graph_that_is_not_frozen_names_its_variables(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = tmp_path / "training.pb"
    tf_worker.call(f"{MODELS}:graph_def", str, path=path, frozen=False)
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert caught.value.message == (
        f"the GraphDef '{path}' is not frozen: the values of its variables are elsewhere (w)"
    )
    assert caught.value.hint == (
        "give the SavedModel, or freeze it: tf.compat.v1.graph_util."
        "convert_variables_to_constants(session, graph_def, ['scores', 'best'])"
    )


def test_a_graph_that_is_damaged_inside(
    tf_worker: Worker, frozen: str, convert: Convert, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.pb"
    path.write_bytes(Path(frozen).read_bytes().replace(b"MatMul", b"MatMux"))
    with pytest.raises(SourceError, match=r"cannot load the GraphDef '.*damaged\.pb': .*MatMux"):
        convert(tf_worker, path)


@pytest.mark.parametrize("kind", ["a GraphDef", "a GraphDef with a function"])
def test_what_reaches_outside_is_named_and_not_run(
    tf_worker: Worker, convert: Convert, tmp_path: Path, kind: str
) -> None:
    trap = tmp_path / "trap"
    made = {"kind": kind, "path": tmp_path / "model.pb", "trap": trap}
    path = tf_worker.call("tests.sources.tf_attacks:make", str, **made)
    with pytest.raises(SourceError, match=r"nothing of it was run: WriteFile \(node '"):
        convert(tf_worker, path)
    assert not trap.exists()
    if kind == "a GraphDef":  # tf2onnx takes no function that it cannot inline
        converted = convert(tf_worker, path, trust_source=True)
        converted.reference(converted.inputs())
        assert trap.exists()


@pytest.mark.parametrize("outputs", [(), ("y",), ("new=y:0",)])
def test_what_no_output_needs_is_left_alone(
    tf_worker: Worker, convert: Convert, tmp_path: Path, outputs: tuple[str, ...]
) -> None:
    trap = tmp_path / "trap"
    made = {"kind": "a dangling writer", "path": tmp_path / "model.pb", "trap": trap}
    path = tf_worker.call("tests.sources.tf_attacks:make", str, **made)
    convert(tf_worker, path, outputs=outputs).check_numbers()
    assert not trap.exists()
