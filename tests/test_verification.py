from pathlib import Path

import msgspec
import pytest

import trtbuild
from tests.models import linear
from tests.with_tensorrt import needs_tensorrt
from trtbuild.errors import RepositoryError
from trtbuild.locked import locked_version
from trtbuild.verification import portable_of, precision_of_plans, unchanged, verify


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",))
    return tmp_path / "repo/tiny"


def test_without_a_gpu_of_the_plans_it_says_which_they_are_for(model: Path) -> None:
    with pytest.raises(RepositoryError, match=r"the plans are for 8\.6; this machine has"):
        verify(model)


def test_the_model_beside_the_plans_is_what_they_are_judged_by(model: Path) -> None:
    found = locked_version(model, None)
    assert portable_of(found) == model / "1/model.onnx"
    onnx = msgspec.structs.replace(found.lock.onnx, portable=False)
    lock = msgspec.structs.replace(found.lock, onnx=onnx)
    with pytest.raises(RepositoryError, match="it was converted with --no-portable"):
        portable_of(found._replace(lock=lock))
    with (model / "1/model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RepositoryError, match=r"model\.onnx' is not the file that was written"):
        portable_of(found)
    (model / "1/model.onnx").unlink()
    with pytest.raises(RepositoryError, match=r"model\.onnx' is not there"):
        portable_of(found)


def test_the_plans_precision_is_the_locks_not_that_of_the_portable_model(model: Path) -> None:
    lock = locked_version(model, None).lock
    assert precision_of_plans(lock) is None
    lowered = msgspec.structs.replace(lock, options={"precision": "bf16"})
    assert precision_of_plans(lowered) == "bf16"
    plan = msgspec.structs.replace(lock.plans[0], layers={"fp16": 3, "fp32": 1})
    assert precision_of_plans(msgspec.structs.replace(lock, plans=(plan,))) == "fp16"


def test_a_graph_that_surgery_left_alone_keeps_its_names(model: Path) -> None:
    from trtbuild.onnx_model import describe

    graph = describe(model / "1/model.onnx")
    result = unchanged(graph)
    assert (result.input_names, result.output_names) == ({"x": "x"}, {"y": "y"})
    assert result.model == graph


@pytest.mark.gpu
@needs_tensorrt
def test_plans_are_compared_where_their_gpu_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    source = linear(tmp_path / "tiny.onnx")
    trtbuild.convert(source, tmp_path / "repo", runtime="tensorrt", precision="fp16")
    found = verify(tmp_path / "repo/tiny")
    assert found.report.passed
    pairs = [one.pair for one in found.report.comparisons]
    target = str(locked_version(tmp_path / "repo/tiny", None).lock.plans[0].targets[0])
    assert pairs.count(f"ONNX vs plan {target}") == 3  # min, opt, max
    assert {"onnx vs ONNX", "onnx vs ONNX fp16"} < set(pairs)
    # Half precision cannot keep what was asked of fp32: it is the plan that is judged.
    assert not verify(tmp_path / "repo/tiny", rtol=0, atol=1e-7).report.passed
