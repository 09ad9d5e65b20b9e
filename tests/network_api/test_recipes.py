"""From weights to a repository with TensorRT for RTX, which defines networks without a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.network_api.recipes import location, module, weights_of
from trtbuild.errors import UsageError
from trtbuild.inspection import inspect
from trtbuild.pipeline import convert
from trtbuild.preflight import check
from trtbuild.repository.lock import read_lock
from trtbuild.request import ConvertRequest
from trtbuild.weights_file import load_weights


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))


def request(name: str, folder: Path, **more: object) -> ConvertRequest:
    return ConvertRequest(
        source=location(name, "define"), weights=weights_of(name, folder / "weights"),
        repo=folder / "repo", name=name, runtime="tensorrt-rtx", targets=("8.9",),
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_a_network_becomes_a_version_without_onnx(tmp_path: Path, name: str) -> None:
    result = convert(request(name, tmp_path))
    assert [str(target) for target in result.plans[0].targets] == ["8.9"]
    version = result.directory / "1"
    assert sorted(path.name for path in version.iterdir()) == [
        "model.sm89.plan", "trtbuild.lock.json",
    ]  # fmt: skip
    lock = read_lock(version)
    assert lock is not None
    assert (lock.source.kind, lock.source.digest) == ("network", None)
    assert (lock.onnx.files, lock.onnx.portable) == ((), False)
    assert "max_batch_size: 4" in result.config
    assert result.report.not_run["network"] == (
        "not run: there is nothing to compare a network with; name what it has to give: "
        "--reference FILE.py:FUNCTION or --samples FILE.npz"
    )


def test_a_network_is_built_every_time(tmp_path: Path) -> None:
    assert not convert(request("mlp", tmp_path)).plans[0].cached
    assert not convert(request("mlp", tmp_path)).plans[0].cached


def test_the_pre_flight_and_inspect_take_networks(tmp_path: Path) -> None:
    asked = request("mlp", tmp_path)
    (one,) = check(asked).targets
    assert one.builds
    found = inspect(asked)
    assert (found.kind, found.ops["MATRIX_MULTIPLY"]) == ("network", 3)


def test_a_reference_leaves_nothing_unsaid_but_the_gpu(tmp_path: Path) -> None:
    result = convert(request("mlp", tmp_path, reference=location("mlp", "reference")))
    assert set(result.report.not_run) == {"plan 8.9"}


@pytest.mark.parametrize("name", ["mlp", "lenet"])
def test_the_references_compute_with_the_weights(tmp_path: Path, name: str) -> None:
    weights = load_weights(weights_of(name, tmp_path))
    shape = (2, 16) if name == "mlp" else (2, 1, 28, 28)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    (output,) = module(name).reference({"x": x, "image": x}, weights).values()
    assert output.shape == (2, 4 if name == "mlp" else 10)
    if name == "lenet":
        np.testing.assert_allclose(output.sum(1), 1, rtol=1e-5)


def test_what_works_on_a_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--precision works on an ONNX graph"):
        convert(request("mlp", tmp_path, precision="fp16"))
    with pytest.raises(UsageError, match="--strip-weights works on an ONNX graph"):
        convert(request("mlp", tmp_path, strip_weights=True))
