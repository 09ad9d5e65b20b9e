from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.surgery.models import f32, i64, model, node
from trtbuild import device as devices
from trtbuild.backend import TensorRTBackend, api
from trtbuild.device import Devices
from trtbuild.errors import PlanError, UsageError
from trtbuild.plan.runtimes import RuntimeInfo

ADD = model([node("Add", ["a", "b"], ["y"])], ["a fp32 [n]", "b fp32 [n]"], ["y fp32 [n]"])
MAX = model(
    [node("ReduceMax", ["x", "axes"], ["y"], keepdims=0)],
    ["x uint8 [2, 3]", "axes int64 [1]"],
    ["y uint8 [n]"],
    opset=18,
)


class Ran:
    """Stands for an engine: remembers what it was made for, and answers with wide zeros."""

    def __init__(self, *made_for: Any) -> None:
        self.made_for = made_for

    def run(self, arrays: dict[str, Any]) -> dict[str, Any]:
        return {"y": np.full(2, 7, np.int32)}


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, rtx: RuntimeInfo) -> list[Ran]:
    """The engines that are made, none of them real: no GPU is needed."""
    engines: list[Ran] = []

    def compiled(*made_for: Any) -> Ran:
        engines.append(Ran(*made_for))
        return engines[-1]

    monkeypatch.setattr(api, "compiled", compiled)
    monkeypatch.setattr(api, "choose_runtime", lambda *_: rtx)
    return engines


def test_an_engine_for_each_shape_and_each_value_that_sets_one(made: list[Ran]) -> None:
    ready = TensorRTBackend.prepare(MAX)
    assert made == [], "nothing is built before arrays come"
    x = np.zeros((2, 3), np.uint8)
    for arrays in ((x, i64(0)), (x + 1, i64(0)), (x, i64(1)), (x[:1], i64(1))):
        ready.run(arrays)
    assert [sorted(engine.made_for[2]) for engine in made] == [["axes"]] * 3


def test_outputs_have_the_models_types_and_names(made: list[Ran]) -> None:
    outputs: Any = TensorRTBackend.prepare(MAX).run([np.zeros((2, 3), np.uint8), i64(1)])
    assert outputs.y.dtype == np.uint8
    assert outputs[0].tolist() == [7, 7]


def test_arrays_by_name(made: list[Ran]) -> None:
    TensorRTBackend.prepare(ADD).run({"b": f32(2), "a": f32(2)})
    assert list(made[0].made_for[1]) == ["a", "b"]


def test_wrong_arrays(made: list[Ran]) -> None:
    ready = TensorRTBackend.prepare(ADD)
    with pytest.raises(UsageError, match="1 arrays for 2 inputs"):
        ready.run(f32(2))
    with pytest.raises(UsageError, match="no array for input 'b'"):
        ready.run({"a": f32(2)})
    with pytest.raises(UsageError, match="input 'a' is float32, the array float64"):
        ready.run([np.zeros(2), f32(2)])


@pytest.mark.parametrize("form", ["message", "bytes", "path", "file"])
def test_a_model_in_every_form(made: list[Ran], tmp_path: Path, form: str) -> None:
    path = tmp_path / "add.onnx"
    onnx.save(ADD, path)
    with path.open("rb") as file:
        forms = {"message": ADD, "bytes": ADD.SerializeToString(), "path": path, "file": file}
        TensorRTBackend.prepare(forms[form]).run([f32(2), f32(2)])
    assert [value.name for value in made[0].made_for[0].graph.output] == ["y"]


def test_only_gpus(made: list[Ran]) -> None:
    with pytest.raises(UsageError, match="TensorRT runs on GPUs, not on 'CPU'"):
        TensorRTBackend.prepare(ADD, "CPU")


def test_types_are_refused_before_anything_runs(made: list[Ran]) -> None:
    double = model([node("Abs", ["x"], ["y"])], ["x fp64 [2]"], ["y fp64 [2]"])
    with pytest.raises(PlanError, match="input 'x' is fp64: TensorRT computes no fp64"):
        TensorRTBackend.prepare(double)
    assert not TensorRTBackend.is_compatible(double)


def test_run_node(made: list[Ran]) -> None:
    reduce = node("ReduceMax", ["x", "axes"], ["y"], keepdims=0)
    x = np.zeros((2, 3), np.uint8)
    (y,) = TensorRTBackend.run_node(reduce, [x, i64(1)], opset_version=18)
    assert y.dtype == np.uint8, "inferred by ONNX"
    assert made[0].made_for[0].opset_import[0].version == 18


def test_run_model(made: list[Ran]) -> None:
    assert TensorRTBackend.run_model(ADD, [f32(2), f32(2)])[0].dtype == np.float32


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "gpus", lambda: Devices(()))
    assert not TensorRTBackend.supports_device("CUDA")
    assert not TensorRTBackend.supports_device("CPU")
