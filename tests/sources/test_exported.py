from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
MODELS = "tests.sources.torch_models"


@pytest.mark.parametrize("layout", ["save_exported", "save_exported_as_before"])
def test_dims_that_vary_keep_varying(
    torch_worker: Worker, convert: Convert, tmp_path: Path, layout: str
) -> None:
    path = torch_worker.call(f"{MODELS}:{layout}", str, path=tmp_path / "tiny.pt2")
    converted = convert(torch_worker, path)
    assert (converted.ref.kind, converted.ref.name) == ("exported", "tiny")
    assert shapes(converted.model.inputs) == [
        "image fp32 [batch, 3, image_2, image_3]",
        "scale fp32 [batch]",
    ]
    assert shapes(converted.model.outputs) == [
        "logits fp32 [batch, 5]",
        "features fp32 [batch, 4, image_2 - 2, image_3 - 2]",
    ]
    assert converted.model.notes == (
        "dim 'batch' may be 64 at most: the program was exported with that bound",
        "dim 'image_2' may be 4 at least: the program was exported with that bound",
        "dim 'image_3' may be 4 at least: the program was exported with that bound",
    )
    converted.check_numbers()


def test_the_numbers_are_the_same(torch_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = torch_worker.call(f"{MODELS}:save_exported", str, path=tmp_path / "tiny.pt2")
    converted = convert(torch_worker, path, output_names=("a", "b"), opset=18)
    assert [spec.name for spec in converted.model.outputs] == ["a", "b"]
    assert converted.model.opset == 18
    converted.check_numbers()


@pytest.mark.parametrize("maker", ["save_trapped_exported", "save_exported_with_objects"])
def test_nothing_is_unpickled(
    torch_worker: Worker, convert: Convert, tmp_path: Path, maker: str
) -> None:
    trap = tmp_path / "was_unpickled"
    path = torch_worker.call(f"{MODELS}:{maker}", str, path=tmp_path / "tiny.pt2", trap=trap)
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, path)
    told = "cannot load" if maker == "save_trapped_exported" else "compiled code or pickled objects"
    assert told in caught.value.message
    assert not trap.exists()


@pytest.mark.parametrize("what", ["state dict", "module", "old"])
def test_pickled_files_are_not_even_loaded(
    torch_worker: Worker, convert: Convert, tmp_path: Path, what: str
) -> None:
    path = torch_worker.call(f"{MODELS}:save_pickled", str, path=tmp_path / "tiny.pt", what=what)
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, path)
    assert caught.value.message == f"'{path}' is " + (
        "a pickle of Python objects (old PyTorch format)"
        if what == "old"
        else "a PyTorch file of pickled objects (a state dict or a whole nn.Module)"
    )
    assert caught.value.hint.startswith("it is not unpickled, because that runs whatever code")
    assert caught.value.hint.endswith("and give it as file.py:function")
