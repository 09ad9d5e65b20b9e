"""The recipes that use TensorRT's network API: built, compared and served on a GPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.network_api.recipes import location, module, weights_of
from tests.server_process import served
from trtbuild import device
from trtbuild.errors import TrtbuildError, VerificationError
from trtbuild.pipeline import convert
from trtbuild.plan.runtimes import choose_runtime
from trtbuild.request import ConvertRequest
from trtbuild.weights_file import load_weights

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def _data_centre(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))
    try:
        choose_runtime("tensorrt", device.gpus())
    except TrtbuildError as error:
        pytest.skip(error.message)


def request(name: str, folder: Path, **more: object) -> ConvertRequest:
    asked = {"reference": location(name, "reference"), "runtime": "tensorrt"} | more
    return ConvertRequest(
        source=location(name, "define"), weights=weights_of(name, folder / "weights"),
        repo=folder / "repo", name=name, **asked,  # type: ignore[arg-type]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shape", "output"), [("mlp", (16,), "scores"), ("lenet", (1, 28, 28), "probs")]
)
def test_from_weights_to_a_served_model(
    tmp_path: Path, name: str, shape: tuple[int, ...], output: str
) -> None:
    asked = request(name, tmp_path)
    result = convert(asked)
    pairs = {(one.pair, one.point, one.passed) for one in result.report.comparisons}
    target = result.plans[0].targets[0]
    assert pairs == {
        (f"reference vs plan {target}", point, True) for point in ("min", "opt", "max")
    }
    assert result.report.not_run == {}
    assert asked.weights is not None
    weights = load_weights(asked.weights)
    x = np.random.default_rng(1).standard_normal((3, *shape), np.float32)
    inputs = {"x" if name == "mlp" else "image": x}
    with served(tmp_path / "repo") as ask:
        answer = ask(name, inputs)[output]
    wanted = module(name).reference(inputs, weights)[output]
    np.testing.assert_allclose(answer, wanted, rtol=1e-2, atol=1e-2 * np.abs(wanted).max())


def test_samples_are_compared_too(tmp_path: Path) -> None:
    asked = request("mlp", tmp_path, reference=None)
    assert asked.weights is not None
    inputs = {"x": np.ones((2, 16), np.float32)}
    right = module("mlp").reference(inputs, load_weights(asked.weights))
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=inputs["x"], scores=right["scores"])
    asked = request("mlp", tmp_path, reference=None, samples=samples)
    (one,) = convert(asked).report.comparisons
    assert (one.pair.startswith("samples vs plan"), one.point, one.passed) == (
        True, "samples", True,
    )  # fmt: skip
    np.savez(samples, x=inputs["x"], scores=right["scores"] + 1)
    with pytest.raises(VerificationError, match="samples vs plan"):
        convert(asked)
