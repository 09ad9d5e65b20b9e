import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.sources import onnx_models as models
from tests.sources.conftest import Convert
from trtbuild.artifacts import OnnxModel, Progress
from trtbuild.errors import MissingPackageError
from trtbuild.sources.identify import identify
from trtbuild.sources.options import SourceOptions
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.workers.pool import Pool, Worker

EXPORT = "trtbuild.sources.session:export"


def test_export_reports_its_steps(onnx_worker: Worker, tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "steps.onnx")
    steps: list[Progress] = []
    onnx_worker.call(
        EXPORT,
        OnnxModel,
        steps.append,
        ref=identify(str(path)),
        options=SourceOptions(),
        directory=tmp_path,
    )
    assert [(step.work, step.phase) for step in steps] == [
        ("export", "load onnx"),
        ("export", "export to ONNX"),
    ]


def test_run_loads_the_model_where_it_was_not_exported(onnx_worker: Worker, tmp_path: Path) -> None:
    path = models.save(models.affine(), tmp_path / "unseen.onnx")
    x = np.ones((2, 4), np.float32)
    save_tensors(tmp_path / "in.npz", {"x": x})
    names = onnx_worker.call(
        "trtbuild.sources.session:run",
        list,
        ref=identify(str(path)),
        options=SourceOptions(),
        inputs=tmp_path / "in.npz",
        outputs=tmp_path / "out.npz",
    )
    assert names == ["y"]
    [y] = load_tensors(tmp_path / "out.npz").values()
    np.testing.assert_allclose(y.sum(axis=1), [1, 1], rtol=1e-6)


def test_a_second_model_takes_the_place_of_the_first(
    onnx_worker: Worker, convert: Convert, tmp_path: Path
) -> None:
    first = convert(onnx_worker, models.save(models.affine(rows=4), tmp_path / "a.onnx"))
    second = convert(onnx_worker, models.save(models.affine(rows=6), tmp_path / "b.onnx"))
    first.check_numbers()
    second.check_numbers()


@pytest.mark.parametrize(
    ("package", "location", "extra"),
    [
        ("tensorflow", "net.pb", "tensorflow"),
        ("tf2onnx", "net.pb", "tensorflow"),
        ("torch", "nets.py:make", "torch"),
        ("onnxscript", "nets.py:make", "torch"),
    ],
)
@pytest.mark.xdist_group("torch")
def test_a_framework_that_is_not_installed(
    pool: Pool, tmp_path: Path, package: str, location: str, extra: str
) -> None:
    """Another file of that name comes first on the path and fails as a missing one does."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / f"{package}.py").write_text(
        f"raise ModuleNotFoundError('No module named {package}', name='{package}')\n"
    )
    (tmp_path / "net.pb").write_bytes(b"\x0a\x10\x0a\x01x\x12\x0bPlaceholder\x22\x00")
    (tmp_path / "nets.py").write_text(
        "import torch\ndef make(): return torch.nn.Identity(), torch.zeros(2, 3)\n"
    )
    paths = os.pathsep.join([str(hidden), *sys.path])
    with (
        pool.worker({"PYTHONPATH": paths}) as worker,
        pytest.raises(MissingPackageError) as caught,
    ):
        worker.call(
            EXPORT,
            OnnxModel,
            ref=identify(f"{tmp_path}/{location}"),
            options=SourceOptions(),
            directory=tmp_path,
        )
    assert caught.value.message == (
        f"converting '{tmp_path}/{location}' needs the package '{package}', which is not installed"
    )
    assert caught.value.hint == f'pip install "trtbuild[{extra}]"'
