from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.plan.models import model, node, saved, value
from trtbuild.artifacts import Profile
from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.plan.build import plan
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import ShapeOptions, profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def topk(*, behind: str = "", whole: bool = False) -> onnx.ModelProto:
    """TopK of 5000, of an input or of what `behind` computes; `whole`: of all there are."""
    nodes = [node(behind, ["x"], ["h"], "before")] if behind else []
    if whole:
        nodes += [
            node("Shape", ["x"], ["s"], "shape"),
            node("Slice", ["s", "one", "two"], ["k"], "width"),
        ]
    nodes.append(node("TopK", ["h" if behind else "x", "k"], ["v", "i"], "top"))
    width = "n" if whole else 6000
    constants = {"one": np.array([1]), "two": np.array([2])} if whole else {"k": np.array([5000])}
    return model(
        nodes,
        [value("x", FLOAT, ["batch", width])],
        [value("v", FLOAT, ["batch", "k"]), value("i", INT64, ["batch", "k"])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )


def refused(proto: onnx.ModelProto, folder: Path, rtx: RuntimeInfo, **shapes: int) -> PlanError:
    saved_model = saved(proto, folder)
    around = (1, shapes["width"]) if shapes else (1, 6000)
    options = ShapeOptions(min={"x": around}, opt={"x": around}, max={"x": around})
    profile: Profile = profile_from_shapes(saved_model.inputs, options)
    spec = PlanSpec(saved_model, profile, PlanOptions(), (Capability(8, 6),), rtx)
    with pytest.raises(PlanError) as caught:
        plan(spec, folder)
    return caught.value


@pytest.mark.parametrize(
    ("behind", "end"),
    [("", ""), ("Tanh", "end the model before it, with --outputs h, or ")],
)
def test_a_limit_is_no_matter_of_the_profile(
    behind: str, end: str, rtx: RuntimeInfo, tmp_path: Path
) -> None:
    error = refused(topk(behind=behind), tmp_path, rtx)
    assert "exceeds the maximum value allowed (3840)" in error.message
    assert error.hint == (
        f"that is a limit of TensorRT on every target: {end}export the model without it"
    )


def test_a_limit_on_what_shapes_give_may_be_one_of_the_profile(
    rtx: RuntimeInfo, tmp_path: Path
) -> None:
    error = refused(topk(whole=True), tmp_path, rtx, width=6000)
    assert "3840" in error.message
    assert "smaller shapes may keep within it" in error.hint
