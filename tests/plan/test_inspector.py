"""An engine needs the GPU that it is for: those of data-centre TensorRT are asked where it is."""

from pathlib import Path

import pytest
from onnx import TensorProto

from tests.plan.models import convolution, saved
from tests.with_tensorrt import needs_tensorrt
from trtbuild.artifacts import from_json, layers_file_of
from trtbuild.device import gpus
from trtbuild.engine_from_plan import AS_IT_IS
from trtbuild.errors import PlanError
from trtbuild.plan.build import plan
from trtbuild.plan.inspector import look_inside
from trtbuild.plan.layers import layers_from_text
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.plan.targets import plan_file_name


def spec_of(runtime: RuntimeInfo, folder: Path, dtype: int) -> PlanSpec:
    model = saved(convolution(dtype, 2), folder)
    targets = runtime.capabilities[:1]
    return PlanSpec(model, profile_from_shapes(model.inputs), PlanOptions(), targets, runtime)


def test_without_a_gpu_the_runtime_says_why(rtx: RuntimeInfo, tmp_path: Path) -> None:
    if gpus().gpus:
        pytest.skip("this machine has a GPU")
    made = plan(spec_of(rtx, tmp_path, TensorProto.FLOAT16), tmp_path)
    assert (made.layers_file, made.layers) == ("", {})
    with pytest.raises(
        PlanError, match=r"tensorrt_rtx .* cannot load the plan .*model.sm75.plan: .*driver"
    ):
        look_inside(made.path, rtx.module, AS_IT_IS)


@pytest.mark.gpu
@needs_tensorrt
@pytest.mark.parametrize(
    ("dtype", "name"), [(TensorProto.FLOAT, "fp32"), (TensorProto.FLOAT16, "fp16")]
)
def test_a_plan_tells_its_layers_when_it_is_built_and_later(
    dtype: int, name: str, tmp_path: Path
) -> None:
    runtime = choose_runtime("tensorrt", gpus())
    made = plan(spec_of(runtime, tmp_path, dtype), tmp_path)
    text = (tmp_path / made.layers_file).read_text()
    inside = look_inside(made.path, runtime.module, AS_IT_IS)
    assert inside.layers == layers_from_text(text)
    assert inside.profiles == 1
    assert made.layers[name] >= 1
    assert any(layer.tactic and layer.dtype == name for layer in inside.layers)
    assert (made.fp32_layers != ()) == (name == "fp32")
    assert from_json(text, dict)["Layers"]


@pytest.mark.gpu
@needs_tensorrt
def test_a_disk_that_is_full_for_the_layers_fails_the_plan(tmp_path: Path) -> None:
    runtime = choose_runtime("tensorrt", gpus())
    spec = spec_of(runtime, tmp_path, TensorProto.FLOAT16)
    file = layers_file_of(plan_file_name(spec.targets))
    (tmp_path / file).symlink_to("/dev/full")
    with pytest.raises(PlanError) as caught:
        plan(spec, tmp_path)
    assert caught.value.message.endswith(": No space left on device")
    assert "make room there" in caught.value.hint
