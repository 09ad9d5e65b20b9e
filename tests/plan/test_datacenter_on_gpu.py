"""What only data-centre TensorRT has, asked of itself on this machine's GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from tests.plan.models import convolution, matmul, saved
from tests.with_tensorrt import needs_tensorrt
from trtbuild import device
from trtbuild.artifacts import Plan
from trtbuild.engine_from_plan import AS_IT_IS, engine_from_plan
from trtbuild.errors import PlanError
from trtbuild.plan import build
from trtbuild.plan.header import plan_header
from trtbuild.plan.options import HARDWARE_LEVELS, PlanOptions, PlanSpec
from trtbuild.plan.plans import plans_from_onnx
from trtbuild.plan.profiles import ShapeOptions, profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.plan.session import session
from trtbuild.plan.timing_cache import (
    load_timing_cache,
    save_timing_cache,
    timing_cache_path,
)
from trtbuild.store import Store
from trtbuild.workers.pool import Pool

pytestmark = [pytest.mark.gpu, needs_tensorrt]


@pytest.fixture(scope="module")
def tensorrt() -> RuntimeInfo:
    return choose_runtime("tensorrt", device.gpus())


def built_here(
    runtime: RuntimeInfo,
    folder: Path,
    proto: onnx.ModelProto,
    options: PlanOptions,
    max_batch: int = 4,
) -> tuple[Plan, Any]:
    """A plan built in this process, and its engine."""
    model = saved(proto, folder)
    profile = profile_from_shapes(model.inputs, ShapeOptions(max_batch=max_batch))
    made = build.plan(PlanSpec(model, profile, options, runtime.capabilities[:1], runtime), folder)
    loaded = session(runtime)
    loader = loaded.trt.Runtime(loaded.logger)
    loader.engine_host_code_allowed = True
    return made, loader.deserialize_cuda_engine(made.path.read_bytes())


# Of 256 KiB of weights: what a plan holds in order to be given them is 16 KiB.
_WIDE = 4096


def product(runtime: RuntimeInfo, folder: Path, **options: Any) -> tuple[Plan, Any]:
    """A matrix product with these options, and its engine."""
    return built_here(runtime, folder, matmul(wide=_WIDE), PlanOptions(**options))


@pytest.mark.parametrize("hardware", ["none", "same-compute-capability", "ampere-plus"])
def test_the_engine_says_its_level(hardware: str, tensorrt: RuntimeInfo, tmp_path: Path) -> None:
    if session(tensorrt).member("HardwareCompatibilityLevel", HARDWARE_LEVELS[hardware]) is None:
        with pytest.raises(PlanError, match=f"--hardware-compat {hardware}"):
            product(tensorrt, tmp_path, hardware=hardware)
        return
    made, engine = product(tensorrt, tmp_path, hardware=hardware)
    assert made.hardware == hardware
    assert engine.hardware_compatibility_level.name == HARDWARE_LEVELS[hardware]
    header = plan_header(made.path)
    assert header.runtime == "tensorrt"
    assert header.version.startswith(tensorrt.version)


@pytest.mark.parametrize("refittable", ["identical", "any"])
def test_weights_that_were_stripped_are_not_in_the_plan(
    refittable: str, tensorrt: RuntimeInfo, tmp_path: Path
) -> None:
    weights_bytes = _WIDE * 32 * 2
    whole, engine = product(tensorrt, tmp_path / "whole")
    assert not engine.refittable
    assert (whole.stripped, whole.refit) == (False, "")
    bare, _ = product(tensorrt, tmp_path / "bare", refittable=refittable, strip_weights=True)
    assert (bare.stripped, bare.refit) == (True, refittable)
    assert whole.size_bytes - bare.size_bytes > weights_bytes // 2
    if refittable == "any":
        takes, engine = product(tensorrt, tmp_path / "takes", refittable="any")
        assert engine.refittable
        assert (takes.stripped, takes.refit) == (False, "any")


@pytest.mark.parametrize("weak", ["fp16", "bf16"])
def test_weak_typing_where_the_release_has_it(
    weak: str, tensorrt: RuntimeInfo, tmp_path: Path
) -> None:
    if int(tensorrt.version.split(".")[0]) < 11:
        assert product(tensorrt, tmp_path, weak_precisions=(weak,))[0].size_bytes > 0
        return
    with pytest.raises(PlanError, match="has no builder flag"):
        product(tensorrt, tmp_path, weak_precisions=(weak,))


def test_tactic_sources_and_workspace_are_taken(tensorrt: RuntimeInfo, tmp_path: Path) -> None:
    for sources in (("none",), ("jit-convolutions",)):
        assert product(tensorrt, tmp_path, tactic_sources=sources, workspace_mib=64)[1]


@pytest.mark.parametrize("how", ["with-lean-runtime", "without-lean-runtime"])
def test_a_version_compatible_plan_or_the_library_that_it_lacks(
    how: str, tensorrt: RuntimeInfo, tmp_path: Path
) -> None:
    """It takes libraries (lean runtime, libnvinfer_vc_plugin) that not every package brings."""
    try:
        made, engine = product(tensorrt, tmp_path, version_compatible=how)
    except PlanError as error:
        assert error.refused_by == "builder"
        assert "librar" in error.message
        assert "nvinfer_lean" not in error.message or "tensorrt-lean-cu12-libs" in error.hint
        return
    assert made.version_compatible == how
    loaded = session(tensorrt)
    if how == "with-lean-runtime":
        assert engine is not None
        with pytest.raises(PlanError) as caught:
            engine_from_plan(loaded.trt, loaded.log, made.path, AS_IT_IS)
        assert "--version-compatible" in caught.value.hint


def test_a_required_timing_cache(tensorrt: RuntimeInfo, tmp_path: Path) -> None:
    cache = tmp_path / "t.cache"
    with pytest.raises(PlanError, match="there is no timing cache"):
        product(tensorrt, tmp_path, timing_cache=cache, require_timing_cache=True)
    assert product(tensorrt, tmp_path, timing_cache=cache)[0].notes == ()
    assert product(tensorrt, tmp_path, timing_cache=cache, require_timing_cache=True)[1]


def test_a_timing_cache_is_for_shapes_and_not_for_weights(
    tensorrt: RuntimeInfo, tmp_path: Path
) -> None:
    """What would be timed is an error, so each build that passes has timed nothing."""
    one, other = tmp_path / "one.cache", tmp_path / "other.cache"
    net = convolution(TensorProto.FLOAT16, dims=2)
    retrained = convolution(TensorProto.FLOAT16, dims=2)
    (weight,) = retrained.graph.initializer
    values = numpy_helper.to_array(weight) * np.float16(0.5)
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))

    def build_with(cache: Path, model: onnx.ModelProto, max_batch: int, *, timed: bool) -> Any:
        options = PlanOptions(timing_cache=cache, require_timing_cache=not timed)
        return built_here(tensorrt, tmp_path, model, options, max_batch)[1]

    assert build_with(one, net, 4, timed=True)
    assert build_with(one, retrained, 4, timed=False)
    with pytest.raises(PlanError, match=r"nothing is timed that .*one\.cache lacks") as caught:
        build_with(one, net, 16, timed=False)
    assert "build once without --require-timing-cache" in caught.value.hint
    assert build_with(other, net, 16, timed=True)
    loaded = session(tensorrt)
    config = loaded.new_builder().create_builder_config()
    load_timing_cache(loaded, config, one, kept=False, required=True)
    assert save_timing_cache(config, other) == ()
    for max_batch in (4, 16):
        assert build_with(other, net, max_batch, timed=False)


def test_its_timing_cache_lies_beside_the_store(
    tensorrt: RuntimeInfo, tmp_path: Path, store: Store, pool: Pool
) -> None:
    model = saved(convolution(TensorProto.FLOAT16, dims=2), tmp_path)
    outcome = plans_from_onnx(
        model,
        tensorrt.capabilities[:1],
        profile_from_shapes(model.inputs),
        PlanOptions(),
        tensorrt,
        store=store,
        pool=pool,
    )
    assert outcome.failures == ()
    assert timing_cache_path(store.root, tensorrt, tensorrt.capabilities[0]).stat().st_size > 0
