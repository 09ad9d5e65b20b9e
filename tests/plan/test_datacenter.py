"""What only data-centre TensorRT has.

Calls that both runtimes share run here on tensorrt-rtx, whose module has them for source
compatibility.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.plan.models import matmul, saved
from trtbuild import device
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import PlanError
from trtbuild.plan import build, datacenter
from trtbuild.plan.network import Parsed, network_from_onnx, typed
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.session import Session, session
from trtbuild.tensorrt_log import TensorRtLog

A10 = Gpu(0, "NVIDIA A10", "GPU-0", Capability(8, 6), 24 << 30)
TRT = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.16.1.11", (A10.capability,), (A10,))


def stand_in(version: str, **enums: Any) -> Session:
    """A session of a release that is not installed: only its enums, for look-ups by name."""
    loaded = object.__new__(Session)
    loaded.runtime = msgspec.structs.replace(TRT, version=version)
    loaded.trt = SimpleNamespace(__version__=version, **enums)
    loaded.log = TensorRtLog(None, [])
    return loaded


TEN = stand_in(
    "10.16.1.11",
    BuilderFlag=SimpleNamespace(FP16="flag FP16", INT8="flag INT8", VERSION_COMPATIBLE="flag VC"),
    HardwareCompatibilityLevel=SimpleNamespace(NONE="none", SAME_COMPUTE_CAPABILITY="same"),
)
ELEVEN = stand_in("11.1.0.1", BuilderFlag=SimpleNamespace(VERSION_COMPATIBLE="flag VC"))
OLD_TEN = stand_in(
    "10.0.1", HardwareCompatibilityLevel=SimpleNamespace(NONE="none", AMPERE_PLUS="ampere")
)


class Config(SimpleNamespace):
    """Notes what is set, as a builder config would take it."""

    def set_flag(self, flag: str) -> None:
        self.__dict__.setdefault("flags", []).append(flag)


def test_a_network_is_strongly_typed_unless_ten_is_asked_to_choose() -> None:
    assert datacenter.network_flags(TEN, PlanOptions(), typed=2) == 2
    assert datacenter.network_flags(TEN, PlanOptions(weak_precisions=("fp16",)), typed=2) == 0


@pytest.mark.parametrize(
    ("precision", "hint"),
    [
        ("fp16", "convert the model's precision instead: --precision fp16"),
        ("int8", "quantize the model before it is converted"),
    ],
)
def test_eleven_has_no_precision_flags(precision: str, hint: str) -> None:
    with pytest.raises(PlanError) as caught:
        datacenter.network_flags(ELEVEN, PlanOptions(weak_precisions=(precision,)), typed=1)
    assert caught.value.message == (
        f"tensorrt 11.1.0.1 has no builder flag {precision.upper()}: it makes every network "
        "strongly typed"
    )
    assert caught.value.hint == hint


def test_flags_and_level_are_set_by_name() -> None:
    options = PlanOptions(weak_precisions=("fp16", "int8"), version_compatible="with-lean-runtime")
    datacenter.configure(TEN, config := Config(), options, "same-compute-capability")
    assert config.flags == ["flag FP16", "flag INT8", "flag VC"]
    assert config.hardware_compatibility_level == "same"
    datacenter.configure(TEN, plain := Config(), PlanOptions(), "none")
    assert vars(plain) == {}


@pytest.mark.parametrize(
    ("loaded", "hardware", "levels"),
    [
        (TEN, None, ("same-compute-capability", "none")),
        (TEN, "same-compute-capability", ("same-compute-capability",)),
        (TEN, "none", ("none",)),
        (OLD_TEN, None, ("none",)),
        (OLD_TEN, "ampere-plus", ("ampere-plus",)),
    ],
)
def test_levels_to_try(loaded: Session, hardware: str | None, levels: tuple[str, ...]) -> None:
    assert datacenter.hardware_levels(loaded, PlanOptions(hardware=hardware)) == levels


def test_a_level_that_was_asked_for_is_not_replaced_silently() -> None:
    with pytest.raises(PlanError) as caught:
        datacenter.hardware_levels(OLD_TEN, PlanOptions(hardware="same-compute-capability"))
    assert caught.value.message == (
        "--hardware-compat same-compute-capability: tensorrt 10.0.1 has no SAME_COMPUTE_CAPABILITY"
    )


@pytest.mark.parametrize(
    ("options", "flags"),
    [
        ({"version_compatible": "with-lean-runtime"}, ["VERSION_COMPATIBLE"]),
        (
            {"version_compatible": "without-lean-runtime"},
            ["VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME"],
        ),
        ({"refittable": "any"}, ["REFIT"]),
        ({"strip_weights": True}, ["REFIT", "STRIP_PLAN"]),
        ({"strip_weights": True, "refittable": "identical"}, ["REFIT_IDENTICAL", "STRIP_PLAN"]),
        ({"require_timing_cache": True}, ["ERROR_ON_TIMING_CACHE_MISS"]),
    ],
)
def test_an_option_sets_its_flags_or_says_which_one_the_release_lacks(
    options: dict[str, Any], flags: list[str]
) -> None:
    asked = PlanOptions(**options)
    has_all = stand_in("10.6.0", BuilderFlag=SimpleNamespace(**{flag: flag for flag in flags}))
    datacenter.configure(has_all, config := Config(), asked, "none")
    assert config.flags == flags
    for lacking in flags:
        others = {flag: flag for flag in flags if flag != lacking}
        with pytest.raises(PlanError) as caught:
            datacenter.configure(
                stand_in("10.6.0", BuilderFlag=SimpleNamespace(**others)), Config(), asked, "none"
            )
        assert caught.value.message.endswith(f"tensorrt 10.6.0 has no {lacking}")
        assert caught.value.message.startswith("--")


def test_any_weights_are_refused_of_the_release_that_loses_some() -> None:
    flags = SimpleNamespace(REFIT="REFIT", REFIT_IDENTICAL="IDENTICAL", STRIP_PLAN="STRIP")
    faulty = stand_in("11.3.0.5", BuilderFlag=flags)
    with pytest.raises(PlanError, match="may lose the bias of a matrix product") as caught:
        datacenter.configure(faulty, Config(), PlanOptions(refittable="any"), "none")
    assert caught.value.hint.startswith("give --strip-weights --refittable identical")
    same = PlanOptions(refittable="identical", strip_weights=True)
    datacenter.configure(faulty, config := Config(), same, "none")
    assert config.flags == ["IDENTICAL", "STRIP"]


class Tactics(SimpleNamespace):
    """A builder config that takes the sources of `allowed`."""

    def set_tactic_sources(self, mask: int) -> bool:
        self.mask = mask
        return not mask & ~int(self.allowed)


@pytest.mark.parametrize(
    ("sources", "mask"),
    [(("none",), 0), (("jit-convolutions",), 16), (("cudnn", "jit-convolutions"), 20)],
)
def test_tactic_sources_are_a_mask_by_name(sources: tuple[str, ...], mask: int) -> None:
    loaded = stand_in("10.6.0", TacticSource=SimpleNamespace(CUDNN=2, JIT_CONVOLUTIONS=4))
    options = PlanOptions(tactic_sources=sources)
    datacenter.configure(loaded, config := Tactics(allowed=0xFF), options, "none")
    assert config.mask == mask


def test_tactic_sources_that_the_release_lacks_or_refuses() -> None:
    loaded = stand_in("11.1.0.1", TacticSource=SimpleNamespace(JIT_CONVOLUTIONS=4))
    loaded.errors.append("Error Code 3: API Usage Error (not on this GPU)")
    with pytest.raises(PlanError) as caught:
        datacenter.configure(
            loaded, Tactics(allowed=0xFF), PlanOptions(tactic_sources=("cudnn",)), "none"
        )
    assert caught.value.message == "--tactic-sources cudnn: tensorrt 11.1.0.1 has no CUDNN"
    with pytest.raises(PlanError, match="does not take --tactic-sources jit-convolutions"):
        datacenter.configure(
            loaded, Tactics(allowed=0), PlanOptions(tactic_sources=("jit-convolutions",)), "none"
        )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"version_compatible": "with-lean-runtime"}, "tensorrt,version-compatible=true"),
        ({"version_compatible": "without-lean-runtime"}, "IRuntime::loadRuntime"),
        ({"strip_weights": True}, "trtbuild refit"),
    ],
)
def test_what_such_a_plan_needs_is_a_note(options: dict[str, Any], says: str) -> None:
    (note,) = datacenter.notes_of(PlanOptions(**options))
    assert says in note
    assert datacenter.notes_of(PlanOptions()) == ()


@pytest.mark.parametrize(
    ("found", "sees"),
    [(Devices(), "no GPU"), (Devices((A10,)), "a GPU of 8.6")],
)
def test_a_plan_is_not_built_on_another_gpu(
    monkeypatch: pytest.MonkeyPatch, found: Devices, sees: str
) -> None:
    monkeypatch.setattr(device, "gpus", lambda: found)
    with pytest.raises(PlanError) as caught:
        datacenter.check_gpu(Capability(9, 0))
    assert caught.value.message == (
        f"a plan for 9.0 is built on a GPU of 9.0; this process sees {sees}"
    )
    assert caught.value.refused_by == "machine"


# With the module of tensorrt-rtx, which has the same calls


@pytest.fixture
def parsed(rtx: RuntimeInfo, tmp_path: Path) -> tuple[Parsed, PlanSpec]:
    model = saved(matmul(), tmp_path)
    profile = profile_from_shapes(model.inputs)
    spec = PlanSpec(model, profile, PlanOptions(), (A10.capability,), rtx)
    return network_from_onnx(session(rtx), model, typed(session(rtx))), spec


def with_options(spec: PlanSpec, **options: Any) -> PlanSpec:
    return msgspec.structs.replace(spec, options=PlanOptions(**options))


@pytest.mark.parametrize("hardware", ["none", "same-compute-capability", "ampere-plus"])
def test_every_level_is_one_the_config_takes(
    hardware: str, rtx: RuntimeInfo, parsed: tuple[Parsed, PlanSpec]
) -> None:
    network, spec = parsed
    built, notes, _ = build._build_on_gpu(
        session(rtx), network, with_options(spec, hardware=hardware)
    )
    assert built.nbytes > 1000
    assert notes == ()


def test_a_level_that_fails_falls_back_and_says_so(
    rtx: RuntimeInfo, parsed: tuple[Parsed, PlanSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, spec = parsed

    def refused_above_none(loaded: Session, config: Any, _: PlanOptions, level: str) -> None:
        if level != "none":  # needs a library that tensorrt-rtx does not bring
            config.set_flag(loaded.trt.BuilderFlag.VERSION_COMPATIBLE)

    monkeypatch.setattr(datacenter, "configure", refused_above_none)
    built, notes, _ = build._build_on_gpu(session(rtx), network, spec)
    assert built.nbytes > 1000
    assert notes[0].startswith("built without hardware compatibility 'same-compute-capability' (")
    assert notes[0].endswith("the plan fits GPUs of the very model it was built on")


def test_where_no_level_builds_the_error_stays(
    rtx: RuntimeInfo, parsed: tuple[Parsed, PlanSpec]
) -> None:
    network, spec = parsed
    with pytest.raises(PlanError) as caught:
        build._build_on_gpu(
            session(rtx), network, with_options(spec, version_compatible="with-lean-runtime")
        )
    assert caught.value.refused_by == "builder"


def test_what_the_required_cache_lacks_is_an_error_with_the_next_step(
    rtx: RuntimeInfo,
    parsed: tuple[Parsed, PlanSpec],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, spec = parsed

    def refuse(*_: object) -> None:
        raise PlanError("it is not in the cache", refused_by="builder")

    monkeypatch.setattr(datacenter, "configure", lambda *_: None)
    monkeypatch.setattr(build, "load_timing_cache", lambda *_, **__: ())
    monkeypatch.setattr(build, "serialized", refuse)
    asked = with_options(spec, timing_cache=tmp_path / "c", require_timing_cache=True)
    with pytest.raises(PlanError, match="with --require-timing-cache nothing is timed") as caught:
        build._build_on_gpu(session(rtx), network, asked)
    assert "build once without --require-timing-cache" in caught.value.hint
    with pytest.raises(PlanError, match=r"it is not in the cache$"):
        build._build_on_gpu(session(rtx), network, with_options(spec, timing_cache=tmp_path / "c"))
