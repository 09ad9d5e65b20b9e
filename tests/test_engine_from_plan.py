"""Plans deserialized by a stand-in for TensorRT, and by itself where its GPU is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.plan.models import matmul, saved
from tests.plugins import stand_in
from tests.with_tensorrt import needs_tensorrt
from trtbuild import plugin_registry
from trtbuild.device import gpus
from trtbuild.engine_from_plan import (
    Loading,
    advice,
    check_weights,
    engine_from_plan,
    lacks_weights,
)
from trtbuild.errors import PlanError
from trtbuild.plan import build
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import choose_runtime
from trtbuild.plan.session import session
from trtbuild.plugins import PluginCreator, UsedPlugin
from trtbuild.repository.lock import LockedPlan
from trtbuild.tensorrt_log import TensorRtLog

ROLL = UsedPlugin("libroll.so", "11" * 32, "opening", (PluginCreator("Roll", "1", ""),))
WEIGHTS_BYTES = 5000


class Engine:
    """One of a plan of 1,000 bytes, or of 6,000 with its weights."""

    def __init__(self, *flags: str) -> None:
        self.flags = flags

    def create_serialization_config(self) -> Any:
        flags = set(self.flags)
        return SimpleNamespace(
            flags=flags,
            set_flag=flags.add,
            clear_flag=flags.discard,
            get_flag=flags.__contains__,
        )

    def serialize_with_config(self, config: Any) -> Any:
        return memoryview(bytes(1000 + (0 if config.flags else WEIGHTS_BYTES)))


class Runtime:
    """Takes what begins with b"plan", and b"code" where code may run."""

    engine_host_code_allowed = False

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def deserialize_cuda_engine(self, data: bytes) -> Engine | None:
        if data.startswith(b"plan") or (data == b"code" and self.engine_host_code_allowed):
            return Engine()
        self.said += ["host code is not allowed" if data == b"code" else data.decode(), "more"]
        return None


@pytest.fixture
def trt(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(plugin_registry, "_loaded", {})
    monkeypatch.setattr(plugin_registry, "_whole", set())
    module = stand_in.tensorrt()
    module.SerializationFlag = SimpleNamespace(EXCLUDE_WEIGHTS="EXCLUDE_WEIGHTS")
    module.Runtime = Runtime
    return module


def loaded(trt: Any, folder: Path, data: bytes, loading: Loading) -> Engine:
    (folder / "p").write_bytes(data)
    said = ["of work before"]
    log = TensorRtLog(said, said)  # the stand-in's logger is the list itself
    return engine_from_plan(trt, log, folder / "p", loading).engine  # type: ignore[no-any-return]


def test_tensorrts_own_plugins_are_there_before_a_plan_is(trt: Any, tmp_path: Path) -> None:
    needs = UsedPlugin("own.so", "", "opening", (PluginCreator("EfficientNMS_TRT", "1", ""),))
    assert loaded(trt, tmp_path, b"plan", Loading(needs=(needs,)))


def test_a_plugin_that_is_not_there_is_named_with_its_file(trt: Any, tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        loaded(trt, tmp_path, b"plan", Loading(needs=(ROLL,)))
    assert caught.value.message == (
        f"the plan {tmp_path}/p needs the plugin Roll (version 1), which nothing registers here: "
        "it was built with libroll.so"
    )
    assert caught.value.hint == "give that file: --plugins libroll.so"


def test_code_in_a_plan_runs_with_consent_only(trt: Any, tmp_path: Path) -> None:
    assert loaded(trt, tmp_path, b"code", Loading(runs_code=True))
    with pytest.raises(PlanError) as caught:
        loaded(trt, tmp_path, b"code", Loading())
    assert caught.value.message == (
        f"tensorrt 10.6.0 cannot load the plan {tmp_path}/p: host code is not allowed"
    )
    assert "--version-compatible" in caught.value.hint


def test_a_file_that_cannot_be_read(trt: Any, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"the plan .*none.plan cannot be read: No such file"):
        engine_from_plan(trt, TensorRtLog(None, []), tmp_path / "none.plan", Loading())


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("Error Code 6: API Usage Error (host code not allowed)", "--version-compatible"),
        ("IPluginRegistry::getCreator: Cannot find plugin: Roll, version: 1", "--plugins FILE.so"),
        ("Error Code 1: Cuda Runtime (out of memory)", "too little free memory"),
        ("Error Code 2: OutOfMemory (Requested size was 9 bytes.)", "too little free memory"),
        (
            "Target GPU SM 90 is not supported: expected a plan of compute capability 8.6",
            "on a GPU that it was built for",
        ),
        (
            "Error Code 6: The engine plan file is not compatible with this version of TensorRT, "
            "expecting library version 10.6.0.26 got 10.7.0.23",
            "the release of TensorRT that built it",
        ),
        (
            "Error Code 1: Serialization (Serialization assertion plan->header.size == blobSize "
            "failed.)",
            "the file is damaged",
        ),
        ("something new", "with the release of TensorRT and on a GPU that it was built for"),
    ],
)
def test_what_tensorrt_says_becomes_the_next_step(said: str, says: str) -> None:
    assert says in advice(said)


def test_a_plan_is_known_to_be_stripped_by_its_lock_or_its_size(trt: Any, tmp_path: Path) -> None:
    (plan := tmp_path / "p").write_bytes(b"plan" + bytes(996))
    stripped = Engine("EXCLUDE_WEIGHTS")
    assert lacks_weights(trt, stripped, 1000)
    assert not lacks_weights(trt, stripped, 1000 + WEIGHTS_BYTES)
    with pytest.raises(PlanError) as caught:
        check_weights(trt, stripped, plan, Loading())
    assert caught.value.message == (
        f"the plan {plan} was built without its weights (--strip-weights)"
    )
    assert f"trtbuild refit {plan} --onnx FILE --output OUT" in caught.value.hint
    plan.write_bytes(b"plan" + bytes(996 + WEIGHTS_BYTES))
    check_weights(trt, stripped, plan, Loading())
    locked = LockedPlan("p", (), "tensorrt", "10.6.0", 1.0, stripped=True)
    with pytest.raises(PlanError, match="without its weights"):
        check_weights(trt, Engine(), plan, Loading.of(locked, (), runs_code=False))


def test_a_plan_that_was_not_built_to_be_stripped_is_not_written_to_be_asked(trt: Any) -> None:
    engine = Engine()
    engine.serialize_with_config = None  # type: ignore[method-assign,assignment]
    assert not lacks_weights(trt, engine, 0)


@pytest.mark.gpu
@needs_tensorrt
@pytest.mark.parametrize("refittable", ["identical", "any"])
def test_an_engine_tells_whether_its_plan_was_stripped(refittable: str, tmp_path: Path) -> None:
    runtime = choose_runtime("tensorrt", gpus())
    model = saved(matmul(wide=4096), tmp_path)
    loaded = session(runtime)
    found = {}
    for name, options in (
        ("whole", PlanOptions()),
        ("takes any", PlanOptions(refittable="any")),
        ("stripped", PlanOptions(refittable=refittable, strip_weights=True)),
    ):
        profile = profile_from_shapes(model.inputs)
        spec = PlanSpec(model, profile, options, runtime.capabilities[:1], runtime)
        (folder := tmp_path / name).mkdir()
        plan = build.plan(spec, folder)
        engine = engine_from_plan(loaded.trt, loaded.log, plan.path, Loading()).engine
        found[name] = lacks_weights(loaded.trt, engine, plan.size_bytes)
    assert found == {"whole": False, "takes any": False, "stripped": True}
