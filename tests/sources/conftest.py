"""Worker processes for the frameworks, as in a conversion: neither is imported by pytest.

The models that tests convert are made in the same workers, by `tf_models` and `torch_models`.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from trtbuild.artifacts import OnnxModel, SourceRef
from trtbuild.sources.identify import identify
from trtbuild.sources.options import SourceOptions
from trtbuild.tensor import DTYPES, TensorSpec
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.workers.pool import Pool, Worker

ROOT = Path(__file__).parents[2]
SIZES = {"batch": 3, "height": 20, "width": 12, "steps": 7}  # of dims that vary, by name
OTHER_SIZE = 5
Tensors = Mapping[str, np.ndarray]


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool() as pool:
        yield pool


def start(pool: Pool) -> Worker:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return pool.start({"PYTHONPATH": os.pathsep.join(filter(None, paths))})


@pytest.fixture(scope="session")
def tf_worker(pool: Pool) -> Worker:
    return start(pool)


@pytest.fixture(scope="session")
def torch_worker(pool: Pool) -> Worker:
    return start(pool)


@pytest.fixture(scope="session")
def onnx_worker(pool: Pool) -> Worker:
    return start(pool)


class Converted:
    """One conversion in a worker, and the reference run after it."""

    def __init__(self, worker: Worker, ref: SourceRef, options: SourceOptions, folder: Path):
        self.worker, self.ref, self.options, self.folder = worker, ref, options, folder
        self.model = worker.call(
            "trtbuild.sources.session:export",
            OnnxModel,
            ref=ref,
            options=options,
            directory=folder,
        )

    def inputs(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        return {spec.name: values(spec, rng) for spec in self.model.inputs}

    def reference(self, inputs: Tensors) -> dict[str, np.ndarray]:
        given, results = self.folder.parent / "given.npz", self.folder.parent / "results.npz"
        save_tensors(given, inputs)
        names = self.worker.call(
            "trtbuild.sources.session:run",
            list,
            ref=self.ref,
            options=self.options,
            inputs=given,
            outputs=results,
        )
        tensors = load_tensors(results)
        assert names == list(tensors)
        return tensors

    def onnx(self, inputs: Tensors) -> dict[str, np.ndarray]:
        session = ort.InferenceSession(self.model.path, providers=["CPUExecutionProvider"])
        names = [output.name for output in self.model.outputs]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))

    def check_numbers(self, tolerance: float = 1e-5) -> None:
        """The framework and ONNX Runtime agree, in names, dtypes, shapes and values."""
        inputs = self.inputs()
        expected, found = self.reference(inputs), self.onnx(inputs)
        assert list(found) == list(expected)
        for name, array in expected.items():
            assert found[name].dtype == array.dtype
            assert found[name].shape == array.shape
            np.testing.assert_allclose(found[name], array, rtol=tolerance, atol=tolerance)


def values(spec: TensorSpec, rng: np.random.Generator) -> np.ndarray:
    shape = [SIZES.get(dim, OTHER_SIZE) if isinstance(dim, str) else dim for dim in spec.shape]
    dtype = np.dtype(DTYPES[spec.dtype].numpy)
    if dtype.kind == "f":
        return rng.standard_normal(shape).astype(dtype)
    return rng.integers(0, 2, shape).astype(dtype)


Convert = Callable[..., Converted]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """`convert(worker, location, kind="auto", signature=..., ...)`: identify and export."""

    def run(worker: Worker, location: object, kind: str = "auto", **options: object) -> Converted:
        folder = tmp_path / f"exported_{len(list(tmp_path.iterdir()))}" / "onnx"
        folder.mkdir(parents=True)
        ref = identify(str(location), kind)
        return Converted(worker, ref, SourceOptions(**options), folder)  # type: ignore[arg-type] # options of the caller

    return run


def shapes(specs: tuple[TensorSpec, ...]) -> list[str]:
    return [str(spec) for spec in specs]
