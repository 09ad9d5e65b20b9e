from pathlib import Path
from typing import Any

import msgspec
import pytest

from trtbuild.artifacts import OnnxModel, Range, from_json, to_json
from trtbuild.capability import Capability
from trtbuild.device import Gpu
from trtbuild.errors import UsageError
from trtbuild.plan.options import PlanOptions, PlanSpec, check_options, plan_key
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo
from trtbuild.plugins import PluginFile
from trtbuild.tensor import TensorSpec

RTX = RuntimeInfo("tensorrt-rtx", "tensorrt-rtx", "tensorrt_rtx", "1.7.1.116", RTX_CAPABILITIES)
A10 = Gpu(0, "NVIDIA A10", "GPU-0", Capability(8, 6), 24 << 30)
TRT = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.16.1.11", (A10.capability,), (A10,))
X = TensorSpec("x", "fp32", ("batch", 4))
MODEL = OnnxModel(Path("/a"), ("m.onnx",), "d1", 10, (X,), (X,), 17, "torch 2")
SPEC = PlanSpec(
    MODEL, {"x": Range((1, 4), (4, 4), (8, 4))}, PlanOptions(), (Capability(8, 6),), RTX
)


def changed(spec: PlanSpec, part: str, **changes: Any) -> PlanSpec:
    value = msgspec.structs.replace(getattr(spec, part), **changes)
    return msgspec.structs.replace(spec, **{part: value})


@pytest.mark.parametrize(
    "other",
    [
        changed(SPEC, "model", digest="d2"),
        msgspec.structs.replace(SPEC, profile={"x": Range((1, 4), (4, 4), (16, 4))}),
        msgspec.structs.replace(
            SPEC, profiles=(SPEC.profile, {"x": Range((1, 4), (1, 4), (1, 4))})
        ),
        changed(SPEC, "options", capturable=True),
        msgspec.structs.replace(SPEC, targets=(Capability(8, 9),)),
        msgspec.structs.replace(SPEC, targets=(Capability(8, 6), Capability(8, 9))),
        changed(SPEC, "options", workspace_mib=64),
        changed(SPEC, "options", opt_level=3),
        changed(SPEC, "runtime", version="1.8.0.1"),
        msgspec.structs.replace(SPEC, runtime=TRT),
    ],
)
def test_what_determines_a_plan_is_in_its_key(other: PlanSpec) -> None:
    assert plan_key(other) != plan_key(SPEC)


@pytest.mark.parametrize(
    "other",
    [
        changed(SPEC, "model", directory=Path("/b"), files=("n.onnx",)),
        msgspec.structs.replace(SPEC, profiles=(SPEC.profile,)),  # the same plan
        changed(SPEC, "options", sharing="per-target"),
        changed(SPEC, "options", hardware="none"),  # tensorrt-rtx has no such levels
        changed(SPEC, "runtime", package="tensorrt-rtx-cu13"),
    ],
)
def test_what_does_not_matter_is_not(other: PlanSpec) -> None:
    assert plan_key(other) == plan_key(SPEC)


def test_of_data_centre_tensorrt_the_gpu_and_its_options_matter() -> None:
    spec = msgspec.structs.replace(SPEC, runtime=TRT)
    a40 = msgspec.structs.replace(A10, name="NVIDIA A40")
    others = [
        changed(spec, "runtime", gpus=(a40,)),
        changed(spec, "options", hardware="none"),
        changed(spec, "options", version_compatible="with-lean-runtime"),
        changed(spec, "options", version_compatible="without-lean-runtime"),
        changed(spec, "options", weak_precisions=("fp16",)),
        changed(spec, "options", refittable="any"),
        changed(spec, "options", refittable="identical", strip_weights=True),
        changed(spec, "options", strip_weights=True),
        changed(spec, "options", tactic_sources=("none",)),
        changed(spec, "options", tactic_sources=("jit-convolutions",)),
    ]
    assert len({plan_key(other) for other in [spec, *others]}) == len(others) + 1
    for same in (
        {"timing_cache": Path("/somewhere/cache")},
        {"require_timing_cache": True},
    ):
        assert plan_key(changed(spec, "options", **same)) == plan_key(spec)
    kept = msgspec.structs.replace(spec, kept_cache=Path("/store/cache"))
    assert plan_key(kept) == plan_key(spec)


def test_what_is_stripped_can_be_given_weights() -> None:
    assert PlanOptions().refit is None
    assert PlanOptions(strip_weights=True).refit == "any"
    assert PlanOptions(strip_weights=True, refittable="identical").refit == "identical"
    with pytest.raises(UsageError, match="and this one has them") as caught:
        PlanOptions(refittable="identical")
    assert caught.value.hint == "add --strip-weights, or give --refittable any"


def test_a_key_is_the_same_after_a_process_border() -> None:
    assert plan_key(from_json(to_json(SPEC), PlanSpec)) == plan_key(SPEC)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sharing": "some"}, "--plans 'some' is unknown"),
        ({"opt_level": 6}, r"--opt-level 6 is not in 0\.\.5"),
        ({"workspace_mib": 0}, "--workspace 0 is no size"),
        ({"hardware": "all"}, "--hardware-compat 'all' is unknown"),
        ({"weak_precisions": ("fp64",)}, "--weak 'fp64' is unknown"),
        ({"version_compatible": "yes"}, "--version-compatible 'yes' is unknown"),
        ({"refittable": "yes"}, "--refittable 'yes' is unknown"),
        ({"tactic_sources": ("magic",)}, "--tactic-sources 'magic' is unknown"),
        (
            {"tactic_sources": ("none", "cudnn")},
            "--tactic-sources none,cudnn contradicts itself",
        ),
    ],
)
def test_an_option_that_is_none(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        PlanOptions(**options)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (PlanOptions(timing_cache=Path("c")), "--timing-cache"),
        (PlanOptions(require_timing_cache=True), "--require-timing-cache"),
        (PlanOptions(hardware="ampere-plus"), "--hardware-compat"),
        (PlanOptions(version_compatible="with-lean-runtime"), "--version-compatible"),
        (PlanOptions(refittable="any"), "--refittable"),
        (PlanOptions(strip_weights=True), "--strip-weights"),
        (PlanOptions(tactic_sources=("cudnn",)), "--tactic-sources"),
        (PlanOptions(weak_precisions=("fp16",)), "--weak"),
    ],
)
def test_an_option_that_the_runtime_lacks_is_refused_not_ignored(
    options: PlanOptions, name: str
) -> None:
    check_options(options, TRT, (A10.capability,))
    with pytest.raises(UsageError) as caught:
        check_options(options, RTX, (A10.capability,))
    assert caught.value.message.startswith(f"tensorrt-rtx has no {name}: ")
    assert "--runtime tensorrt" in caught.value.hint


def test_a_timing_cache_is_for_one_gpu() -> None:
    with pytest.raises(UsageError) as caught:
        check_options(
            PlanOptions(timing_cache=Path("c")), TRT, (Capability(8, 6), Capability(8, 9))
        )
    assert caught.value.message == (
        "--timing-cache names one file, for one GPU; the targets are 8.6, 8.9"
    )


def test_the_content_of_plugins_is_in_the_key_and_where_they_lie_is_not() -> None:
    def key(*files: tuple[str, str]) -> str:
        plugins = tuple(PluginFile(Path(path), digest) for path, digest in files)
        return plan_key(
            changed(msgspec.structs.replace(SPEC, runtime=TRT), "options", plugins=plugins)
        )

    assert key(("/p/a.so", "11")) == key(("/q/a.so", "11"))
    assert len({key(), key(("/p/a.so", "11")), key(("/p/a.so", "22"))}) == 3
