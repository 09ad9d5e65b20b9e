from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
MODELS = "tests.sources.tf_models"


@pytest.fixture(scope="module")
def two_signatures(tf_worker: Worker, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("savedmodel") / "two_signatures"
    return tf_worker.call(f"{MODELS}:two_signatures", str, path=path)


def test_names_are_those_of_the_signature(
    tf_worker: Worker, two_signatures: str, convert: Convert
) -> None:
    converted = convert(tf_worker, two_signatures)
    assert converted.ref.kind == "savedmodel"
    assert shapes(converted.model.inputs) == [
        "alpha fp32 [batch, alpha_1]",
        "zeta fp32 [batch, 4]",
    ]
    assert shapes(converted.model.outputs) == [
        "alpha_output fp32 [batch, alpha_output_1]",
        "first fp32 [batch, first_1]",
        "scores fp32 [batch, 3]",
    ]
    assert converted.model.opset == 17
    assert converted.model.producer.startswith("tf2onnx 1.")
    assert converted.model.files == ("model.onnx",)
    converted.check_numbers()


def test_another_signature_and_opset(
    tf_worker: Worker, two_signatures: str, convert: Convert
) -> None:
    converted = convert(tf_worker, two_signatures, signature="twice", opset=13)
    assert shapes(converted.model.outputs) == ["doubled fp32 [batch, 4]"]
    assert converted.model.opset == 13
    converted.check_numbers()


def test_an_opset_that_only_onnx_can_reach(
    tf_worker: Worker, two_signatures: str, convert: Convert
) -> None:
    converted = convert(tf_worker, two_signatures, opset=21)
    assert converted.model.opset == 21
    converted.check_numbers()


@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
def test_tensorflow_1_with_variables(
    tf_worker: Worker, convert: Convert, tmp_path: Path, resource: bool
) -> None:
    path = tmp_path / "one"
    tf_worker.call(f"{MODELS}:tf1_saved_model", str, path=path, resource=resource, tags=["serve"])
    converted = convert(tf_worker, path)  # its one signature is not called serving_default
    assert shapes(converted.model.inputs) == ["features fp32 [batch, 4]"]
    assert shapes(converted.model.outputs) == ["scores fp32 [batch, 3]"]
    converted.check_numbers()


def test_an_output_of_strings_is_named_and_can_be_left_out(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = tf_worker.call(f"{MODELS}:tf1_with_table", str, path=tmp_path / "m", classes=True)
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert "output 'classes' of" in caught.value.message
    assert "strings" in caught.value.message
    assert caught.value.hint == "leave it out: --outputs scores"
    converted = convert(tf_worker, path, signature_outputs=("scores",))
    assert shapes(converted.model.outputs) == ["scores fp32 [batch, 3]"]
    converted.check_numbers()


def test_a_missing_signature_is_answered_with_those_there_are(
    tf_worker: Worker, two_signatures: str, convert: Convert
) -> None:
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, two_signatures, signature="thrice")
    assert caught.value.message == (
        f"the SavedModel '{two_signatures}' has no signature 'thrice'; "
        "there are: serving_default, twice"
    )
    assert caught.value.hint == "choose one: --signature NAME"


def test_missing_tags_are_answered_with_those_there_are(
    tf_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = tmp_path / "tagged"
    tags = ["gpu", "serve"]
    tf_worker.call(f"{MODELS}:tf1_saved_model", str, path=path, resource=False, tags=tags)
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path, tags=("train",))
    assert caught.value.message == (
        f"the SavedModel '{path}' has no graph with the tags train; there are: gpu, serve"
    )
    assert convert(tf_worker, path).model.inputs[0].name == "features"  # there is one only
    assert convert(tf_worker, path, tags=("serve", "gpu")).model.inputs[0].name == "features"


def test_without_signatures(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = tmp_path / "none"
    tf_worker.call(f"{MODELS}:without_signatures", str, path=path)
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert caught.value.message == f"the SavedModel '{path}' has no signatures"


def test_without_its_variables(
    tf_worker: Worker, convert: Convert, two_signatures: str, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "saved_model.pb").write_bytes(Path(two_signatures, "saved_model.pb").read_bytes())
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, alone)
    assert caught.value.message == (
        f"the SavedModel '{alone}' is without its variables: no variables/variables.index"
    )
    assert caught.value.hint == "copy the whole folder, with 'variables' in it"


def test_damaged_variables(
    tf_worker: Worker, convert: Convert, two_signatures: str, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged"
    for file in Path(two_signatures).rglob("*"):
        if file.is_file():
            copy = damaged / file.relative_to(two_signatures)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    (damaged / "variables" / "variables.index").write_bytes(b"\0" * 100)
    with pytest.raises(SourceError, match=f"cannot load the SavedModel '{damaged}': "):
        convert(tf_worker, damaged)


def test_the_file_in_the_folder_means_the_folder(
    tf_worker: Worker, convert: Convert, two_signatures: str
) -> None:
    converted = convert(tf_worker, f"{two_signatures}/saved_model.pb", signature="twice")
    assert (converted.ref.location, converted.ref.name) == (two_signatures, "two_signatures")
