"""The module itself is a backend, as onnx's own runner takes one."""

from typing import Any

import pytest
from onnx.backend.base import Backend

import trtbuild.backend as backend
from tests.surgery.models import f32, model, node
from trtbuild.plan.runtimes import RuntimeInfo


def test_the_functions_of_the_api() -> None:
    assert issubclass(backend.TensorRTBackend, Backend)
    for name in ("prepare", "run_model", "run_node", "supports_device", "is_compatible"):
        assert callable(getattr(backend, name))


@pytest.mark.gpu
def test_a_model_on_the_gpu(on_gpu: RuntimeInfo) -> None:
    made = model([node("Add", ["a", "b"], ["y"])], ["a fp32 [n]", "b fp32 [n]"], ["y fp32 [n]"])
    assert backend.supports_device("CUDA:0")
    ready: Any = backend.prepare(made, "CUDA:0", runtime=on_gpu.name)
    for size in (2, 5):
        a, b = f32(size), f32(size, seed=1)
        assert ready.run([a, b]).y.tolist() == (a + b).tolist()
