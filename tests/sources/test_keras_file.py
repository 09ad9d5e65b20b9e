import zipfile
from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("tensorflow")
SUFFIXES = ["keras", "h5"]


def keras(tf_worker: Worker, path: Path, name: str) -> Path:
    tf_worker.call("tests.sources.tf_models:keras_model", str, path=path, name=name)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sequential(tf_worker: Worker, convert: Convert, tmp_path: Path, suffix: str) -> None:
    converted = convert(tf_worker, keras(tf_worker, tmp_path / f"small.{suffix}", "sequential"))
    assert (converted.ref.kind, converted.ref.name) == ("keras", "small")
    assert shapes(converted.model.inputs) == ["features fp32 [batch, 8]"]
    assert shapes(converted.model.outputs) == ["scores fp32 [batch, 4]"]
    converted.check_numbers()


def test_inputs_and_outputs_in_dicts(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    converted = convert(tf_worker, keras(tf_worker, tmp_path / "dicts.keras", "by_name"))
    assert [spec.name for spec in converted.model.inputs] == ["extra", "image"]
    assert [spec.name for spec in converted.model.outputs] == ["ant", "zoo"]
    converted.check_numbers()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_layer_that_makes_two_outputs(
    tf_worker: Worker, convert: Convert, tmp_path: Path, suffix: str
) -> None:
    converted = convert(tf_worker, keras(tf_worker, tmp_path / f"twice.{suffix}", "shared"))
    assert [str(spec) for spec in converted.model.inputs] == ["tokens int32 [batch, 12]"]
    assert [spec.name for spec in converted.model.outputs] == ["head", "head_1"]
    converted.check_numbers()


def test_the_suffix_does_not_matter(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    other = tmp_path / "model.bin"
    keras(tf_worker, tmp_path / "small.h5", "sequential").rename(other)
    assert shapes(convert(tf_worker, other).model.outputs) == ["scores fp32 [batch, 4]"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_code_in_the_file_is_not_run(
    tf_worker: Worker, convert: Convert, tmp_path: Path, suffix: str
) -> None:
    path = keras(tf_worker, tmp_path / f"lambda.{suffix}", "code")
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert caught.value.message == (
        f"the Keras file '{path}' has Lambda layers, whose code lies in the file and is not run: "
        "twice"
    )
    assert caught.value.hint == (
        "export it from the program that has its code: model.export('folder')"
    )


def test_a_class_that_is_not_there(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = keras(tf_worker, tmp_path / "custom.keras", "custom")
    with pytest.raises(
        SourceError, match=r"cannot load the Keras file .*: Could .*'Mine'"
    ) as caught:
        convert(tf_worker, path)
    assert caught.value.hint.endswith("model.export('folder')")


def test_weights_alone(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = tmp_path / "only.weights.h5"
    tf_worker.call("tests.sources.tf_models:keras_weights", str, path=path)
    with pytest.raises(SourceError) as caught:
        convert(tf_worker, path)
    assert caught.value.message == (
        f"the Keras file '{path}' holds weights only, not the model they belong to"
    )
    assert caught.value.hint == "save the whole model: model.save('model.keras')"


def test_a_truncated_file(tf_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = keras(tf_worker, tmp_path / "whole.h5", "sequential")
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"the Keras file '.*whole\.h5' is damaged: .*truncated"):
        convert(tf_worker, path)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_a_bomb_is_not_unpacked(
    tf_worker: Worker, convert: Convert, tmp_path: Path, member: str
) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        for name in ("config.json", "model.weights.h5"):
            with archive.open(name, "w") as file:
                for _ in range(300 if name == member else 0):
                    file.write(b" " * (1 << 20))
    with pytest.raises(SourceError, match=f"is not unpacked: its '{member}' has "):
        convert(tf_worker, path)
