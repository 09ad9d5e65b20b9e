"""What is read from an engine, and what the runtimes' refusals become."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from trtserve.backends.tensorrt.engine import Engine, Library, Words, library, open_engine
from trtserve.backends.tensorrt.profiles import EngineTensor
from trtserve.plans import PlanRefused

import tests.serve.backends.tensorrt.stand_in as trt
from tests.plan.models import matmul, saved
from tests.serve.backends.tensorrt.stand_in import ICudaEngine, Tensor, copies
from trtbuild.artifacts import Range
from trtbuild.capability import Capability
from trtbuild.device import Devices, gpus
from trtbuild.plan.build import plan
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo, installed_runtimes

BOUNDS = {"x": ((1, 4), (2, 4), (8, 4))}


def engine(tensor: Tensor) -> Engine:
    handle: ICudaEngine = copies([(tensor, "y")], [BOUNDS])
    return Engine(Library(trt), handle)


@pytest.mark.parametrize(
    ("stated", "wire"),
    [("FLOAT", "FP32"), ("HALF", "FP16"), ("BF16", "BF16"), ("INT8", "INT8"), ("UINT8", "UINT8"),
     ("INT32", "INT32"), ("INT64", "INT64"), ("BOOL", "BOOL")],
)  # fmt: skip
def test_tensors_types_and_profiles(stated: str, wire: str) -> None:
    signature = engine(Tensor("x", stated, (-1, 4))).signature
    assert signature.inputs == (EngineTensor("x", wire, (-1, 4)),)
    assert signature.outputs == (EngineTensor("y", wire, (-1, 4)),)
    assert signature.profiles == ({"x": Range((1, 4), (2, 4), (8, 4))},)


@pytest.mark.parametrize(
    ("tensor", "says"),
    [
        (Tensor("x", "FP8", (-1, 4)), "'x' is FP8 in its plan, a type that no request can carry"),
        (Tensor("x", "INT64", (2,), shape_tensor=True), "'x' is a shape tensor of its plan"),
        (Tensor("x", "INT64", (2,), location="HOST"), "'x' is a shape tensor of its plan"),
        (Tensor("x", "HALF", (-1, 4), format="CHW32"), "'x' has the format CHW32 in its plan"),
    ],
)
def test_what_is_not_run(tensor: Tensor, says: str) -> None:
    with pytest.raises(PlanRefused, match=says):
        engine(tensor)


def test_a_context_without_memory_of_its_own_is_told_what_it_needs() -> None:
    made = engine(Tensor("x", "FLOAT", (-1, 4)))
    own = made.new_context(final_kernels=False)
    with pytest.raises(AssertionError):  # TensorRT says: it has memory of its own
        own.set_device_memory(512, 1024)
    bare = made.new_context(final_kernels=False, user_managed=True)
    bare.set_device_memory(512, made.context_memory_bytes(0))
    assert made.context_memory_bytes(0) == 1024


def test_the_format_of_each_profile_is_looked_at() -> None:
    tensor = Tensor("x", "HALF", (-1, 4), format="LINEAR CHW32")
    assert Engine(Library(trt), copies([(tensor, "y")], [BOUNDS])).signature.inputs
    with pytest.raises(PlanRefused, match="'x' has the format CHW32 in its plan"):
        Engine(Library(trt), copies([(tensor, "y")], [BOUNDS, BOUNDS]))


def test_the_first_word_is_the_cause_and_belongs_to_its_thread() -> None:
    words = Words()
    assert str(words) == "it says nothing"
    words.add("the cause\nand a trace")
    words.add("what followed")
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(str(words)))
    thread.start()
    thread.join()
    assert (str(words), said) == ("the cause", ["it says nothing"])
    words.forget()
    assert str(words) == "it says nothing"


def test_a_runtime_that_does_not_load() -> None:
    with pytest.raises(PlanRefused, match="no_such_tensorrt is installed, but does not load"):
        library("no_such_tensorrt")


@pytest.fixture(scope="module")
def rtx() -> RuntimeInfo:
    found = [each for each in installed_runtimes(Devices()) if each.name == "tensorrt-rtx"]
    if not found:
        pytest.skip("the package tensorrt-rtx is not installed")
    return found[0]


def test_the_real_runtime_s_own_words_on_a_real_plan(rtx: RuntimeInfo, tmp_path: Path) -> None:
    if gpus().gpus:
        pytest.skip("this machine has a GPU: see test_on_gpu.py")
    model = saved(matmul(), tmp_path)
    spec = PlanSpec(
        model, profile_from_shapes(model.inputs), PlanOptions(), (Capability(8, 9),), rtx
    )
    built = plan(spec, tmp_path)
    with pytest.raises(PlanRefused) as caught:
        open_engine(rtx, built.path, "cuda:0")
    assert caught.value.message.startswith(
        f"tensorrt-rtx {rtx.version} refuses {built.path.name} on cuda:0: "
    )
    assert "CUDA driver" in caught.value.message


def test_the_real_runtime_s_own_words_on_what_is_no_plan(rtx: RuntimeInfo, tmp_path: Path) -> None:
    (tmp_path / "model.plan").write_bytes(b"vtrt" + bytes(1000))
    with pytest.raises(PlanRefused, match=r"refuses model\.plan on cuda:0: \S+"):
        open_engine(rtx, tmp_path / "model.plan", "cuda:0")
    with pytest.raises(PlanRefused, match=r"cannot read absent\.plan: No such file"):
        open_engine(rtx, tmp_path / "absent.plan", "cuda:0")
