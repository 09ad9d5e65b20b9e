from pathlib import Path

import pytest

from tests.sources.conftest import Convert, shapes
from trtbuild.errors import SourceError
from trtbuild.tensor import InputOverride
from trtbuild.workers.pool import Worker

pytestmark = pytest.mark.xdist_group("torch")
NOTE = "exported with the TorchScript exporter: PyTorch's dynamo exporter takes no TorchScript"


def saved(worker: Worker, path: Path, *, scripted: bool) -> str:
    function = "tests.sources.torch_models:save_torchscript"
    return worker.call(function, str, path=path, scripted=scripted)


def test_a_traced_file_knows_its_shapes(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    converted = convert(torch_worker, saved(torch_worker, tmp_path / "tiny.pt", scripted=False))
    assert (converted.ref.kind, converted.ref.name) == ("torchscript", "tiny")
    assert shapes(converted.model.inputs) == ["image fp32 [batch, 3, 16, 16]"]
    assert shapes(converted.model.outputs) == [
        "logits fp32 [batch, 5]",
        "features fp32 [batch, 4, 14, 14]",
    ]
    assert converted.model.notes == (NOTE,)
    converted.check_numbers()


def test_a_scripted_file_asks_for_shapes(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = saved(torch_worker, tmp_path / "tiny.pt", scripted=True)
    with pytest.raises(SourceError) as caught:
        convert(torch_worker, path)
    assert caught.value.message == (
        f"the TorchScript file '{path}' does not say what it is called with: nothing is known "
        "of image"
    )
    assert caught.value.hint == "say it: --input 'image=fp32[batch,3,224,224]'"


def test_a_scripted_file_with_dims_that_vary(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = saved(torch_worker, tmp_path / "tiny.pt", scripted=True)
    override = InputOverride("picture", None, ("batch", 3, "height", "width"))
    converted = convert(torch_worker, path, overrides=(override,), opset=16)
    assert shapes(converted.model.inputs) == ["picture fp32 [batch, 3, height, width]"]
    assert converted.model.opset == 16
    converted.check_numbers()


def test_what_a_model_raises_itself_is_told(
    torch_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    path = torch_worker.call(
        "tests.sources.torch_models:save_one_rate", str, path=tmp_path / "rate.pt"
    )
    overrides = (InputOverride("x", "fp32", ("batch", 8)), InputOverride("rate", "int64", ()))
    with pytest.raises(SourceError, match=r": ValueError: supported sample rates: 16000\n"):
        convert(torch_worker, path, overrides=overrides)


def test_a_damaged_file(torch_worker: Worker, convert: Convert, tmp_path: Path) -> None:
    path = Path(saved(torch_worker, tmp_path / "tiny.pt", scripted=False))
    path.write_bytes(path.read_bytes().replace(b"forward", b"forwart"))
    with pytest.raises(SourceError, match=f"cannot load the TorchScript file '{path}': "):
        convert(torch_worker, path)
