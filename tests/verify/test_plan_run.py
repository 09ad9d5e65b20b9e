"""Running a plan needs a GPU that it was built for; what comes before that is tested anywhere."""

from pathlib import Path

import numpy as np
import pytest

from tests.verify.models import scaled, unchanged
from tests.with_tensorrt import needs_tensorrt
from trtbuild.artifacts import Plan, Range
from trtbuild.capability import Capability
from trtbuild.device import gpus
from trtbuild.engine_from_plan import AS_IT_IS
from trtbuild.errors import CudaError, PlanError
from trtbuild.plan.runtimes import choose_runtime
from trtbuild.tensorfile import load_tensors, save_tensors
from trtbuild.verify.inputs import make_inputs
from trtbuild.verify.options import VerifyOptions
from trtbuild.verify.plan_run import compare_plan

PROFILE = {"x": Range((1, 3), (4, 3), (8, 3))}


def prepared(folder: Path, plan: bytes) -> dict[str, object]:
    model = scaled(folder, np.float32(2))
    points = make_inputs(model, unchanged(model), PROFILE, 0, folder)
    for point in points:
        save_tensors(point.outputs, {"y": load_tensors(point.inputs)["x"] * 2})
    (folder / "model.plan").write_bytes(plan)
    return {
        "plan": Plan(
            folder, "model.plan", "", len(plan), (Capability(8, 9),), "tensorrt-rtx", "1", 0.0
        ),
        "module": "tensorrt_rtx",
        "model": model.path,
        "points": points,
        "options": VerifyOptions(),
        "label": "8.9",
        "loading": AS_IT_IS,
    }


def test_without_a_driver_it_says_so(tmp_path: Path) -> None:
    if gpus().driver or gpus().gpus:
        pytest.skip("this machine has a driver")
    with pytest.raises(CudaError, match="no CUDA driver"):
        compare_plan(**prepared(tmp_path, b"vtrt"))  # type: ignore[arg-type]


@pytest.mark.gpu
@needs_tensorrt
def test_what_is_no_plan_is_refused_with_the_runtimes_words(tmp_path: Path) -> None:
    module = choose_runtime("tensorrt", gpus()).module
    with pytest.raises(PlanError, match=r"cannot load the plan .*model.plan: ") as caught:
        compare_plan(**prepared(tmp_path, bytes(1000)) | {"module": module})  # type: ignore[arg-type]
    assert "the file is damaged" in caught.value.hint
