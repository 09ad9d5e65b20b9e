"""Weights for plans: errors around a stand-in for TensorRT, and the real thing on a GPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

from tests.plan.models import matmul, saved
from tests.with_tensorrt import needs_tensorrt
from trtbuild.artifacts import digest_of_files
from trtbuild.capability import Capability
from trtbuild.cuda import Cuda
from trtbuild.device import Gpu, gpus
from trtbuild.engine_from_plan import AS_IT_IS, Loading
from trtbuild.errors import PlanError
from trtbuild.plan import build
from trtbuild.plan import refit as module
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.refit import refit
from trtbuild.plan.runtimes import RuntimeInfo, choose_runtime
from trtbuild.plan.session import Session
from trtbuild.tensorrt_log import TensorRtLog
from trtbuild.verify.engine import Engine

H200 = Gpu(0, "NVIDIA H200", "GPU-0", Capability(9, 0), 140 << 30)
TRT = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.6.0", (H200.capability,), (H200,))


class Deserialized:
    """A deserialized plan that has weights once it was refitted."""

    def __init__(self, *, refittable: bool) -> None:
        self.refittable = refittable
        self.weights = b""

    def create_serialization_config(self) -> Any:
        flags = {"EXCLUDE_WEIGHTS"} if self.refittable else set()
        return SimpleNamespace(flags=flags, clear_flag=flags.discard, get_flag=flags.__contains__)

    def serialize_with_config(self, config: Any) -> bytes:
        return b"plan" + (b"" if config.flags else self.weights)


class TensorRT:
    """The module: a plan of b"refittable" takes what the ONNX file holds, but for b"bad"."""

    __name__ = "tensorrt_refit"
    __version__ = "10.6.0"
    SerializationFlag = SimpleNamespace(EXCLUDE_WEIGHTS="EXCLUDE_WEIGHTS")

    def __init__(self) -> None:
        self.runtimes: list[Any] = []

    def init_libnvinfer_plugins(self, _: object, __: str) -> bool:
        return True

    def Runtime(self, _: object) -> Any:  # noqa: N802 - TensorRT's name
        def load(data: bytes) -> Deserialized | None:
            return None if data == b"broken" else Deserialized(refittable=data == b"refittable")

        self.runtimes.append(SimpleNamespace(deserialize_cuda_engine=load))
        return self.runtimes[-1]

    def Refitter(self, engine: Deserialized, _: object) -> Any:  # noqa: N802 - TensorRT's name
        return SimpleNamespace(
            engine=engine,
            missing=[],
            get_missing_weights=lambda: ["fc.weight"] if engine.weights == b"part" else [],
            refit_cuda_engine=lambda: engine.weights != b"refused",
        )

    def OnnxParserRefitter(self, refitter: Any, _: object) -> Any:  # noqa: N802 - TensorRT's name
        def take(path: str) -> bool:
            refitter.engine.weights = Path(path).read_bytes()
            return bool(refitter.engine.weights != b"bad")

        error = SimpleNamespace(desc=lambda: "no weight 'fc.bias'")
        return SimpleNamespace(refit_from_file=take, num_errors=1, get_error=lambda _: error)


@pytest.fixture
def tensorrt(monkeypatch: pytest.MonkeyPatch) -> TensorRT:
    loaded = object.__new__(Session)
    loaded.runtime, loaded.trt, loaded.log = TRT, TensorRT(), TensorRtLog(None, [])
    monkeypatch.setattr(module, "session", lambda _: loaded)
    return loaded.trt  # type: ignore[no-any-return]


def refitted(
    folder: Path, plan: bytes, onnx: bytes, *, runs_code: bool = False
) -> module.RefittedPlan:
    (folder / "p").write_bytes(plan)
    (folder / "m.onnx").write_bytes(onnx)
    return refit(
        runtime=TRT,
        plan=folder / "p",
        onnx=folder / "m.onnx",
        output=folder / "out",
        loading=Loading(runs_code=runs_code),
    )


def test_a_plan_gets_weights_and_keeps_them(tensorrt: TensorRT, tmp_path: Path) -> None:
    done = refitted(tmp_path, b"refittable", b"weights")
    assert done.path.read_bytes() == b"planweights"
    assert done.digest == digest_of_files(done.path)
    assert done.size_bytes == 11
    assert tensorrt.runtimes[0].engine_host_code_allowed is False


def test_code_in_a_plan_runs_with_consent_only(tensorrt: TensorRT, tmp_path: Path) -> None:
    refitted(tmp_path, b"refittable", b"weights", runs_code=True)
    assert tensorrt.runtimes[0].engine_host_code_allowed is True


@pytest.mark.parametrize(
    ("plan", "onnx", "says"),
    [
        (b"broken", b"w", "cannot load the plan {}/p: it says nothing"),
        (b"plain", b"w", "{}/p takes no weights: it was built without --refittable"),
        (b"refittable", b"bad", "the weights of {0}/m.onnx do not fit the plan {0}/p: no weight"),
        (b"refittable", b"part", "{0}/m.onnx lacks 1 of the weights of the plan {0}/p: fc.weight"),
        (b"refittable", b"refused", "does not put the weights into {}/p"),
    ],
)
@pytest.mark.usefixtures("tensorrt")
def test_what_does_not_fit_is_said_and_nothing_written(
    plan: bytes, onnx: bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(PlanError) as caught:
        refitted(tmp_path, plan, onnx)
    assert says.format(tmp_path) in caught.value.message
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tensorrt")
def test_a_full_disk(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/dev/full")
    with pytest.raises(PlanError) as caught:
        refitted(tmp_path, b"refittable", b"weights")
    assert caught.value.message == (
        f"the plan cannot be written to '{tmp_path}/out': No space left on device"
    )
    assert caught.value.hint == "make room there"


@pytest.mark.gpu
@needs_tensorrt
@pytest.mark.parametrize("refittable", ["identical", "any"])
def test_a_stripped_plan_computes_with_the_weights_it_is_given(
    refittable: str, tmp_path: Path
) -> None:
    runtime = choose_runtime("tensorrt", gpus())
    given = {}
    for name, factor in (("built", 1.0), ("other", 2.0)):
        proto = matmul()
        (weight,) = proto.graph.initializer
        array = numpy_helper.to_array(weight) * np.float16(factor)
        weight.CopyFrom(numpy_helper.from_array(array, weight.name))
        given[name] = (saved(proto, tmp_path, name), array)
    model = given["built"][0]
    options = PlanOptions(strip_weights=True, refittable=refittable)
    spec = PlanSpec(
        model, profile_from_shapes(model.inputs), options, runtime.capabilities[:1], runtime
    )
    plan = build.plan(spec, tmp_path)
    x = np.random.default_rng(3).random((2, 64)).astype(np.float16)
    for name in ("built", "other")[: 2 if refittable == "any" else 1]:
        source, weights = given[name]
        output = tmp_path / f"{name}.plan"
        try:
            done = refit(
                runtime=runtime, plan=plan.path, onnx=source.path, output=output, loading=AS_IT_IS
            )
        except PlanError as error:  # a release that builds such plans and gives them no weights
            assert refittable == "identical"
            print(error)
            assert not output.exists()
            return
        assert done.size_bytes > plan.size_bytes
        with Cuda() as cuda:
            got = Engine(runtime.module, output, cuda).run({"x": x})["z"]
        expected = np.maximum(x.astype(np.float32) @ weights.astype(np.float32), 0)
        np.testing.assert_allclose(got.astype(np.float32), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.gpu
@needs_tensorrt
def test_a_plan_that_keeps_its_weights_takes_none(tmp_path: Path) -> None:
    runtime = choose_runtime("tensorrt", gpus())
    model = saved(matmul(), tmp_path)
    spec = PlanSpec(
        model, profile_from_shapes(model.inputs), PlanOptions(), runtime.capabilities[:1], runtime
    )
    plan = build.plan(spec, tmp_path)
    with pytest.raises(PlanError, match="takes no weights"):
        refit(
            runtime=runtime,
            plan=plan.path,
            onnx=model.path,
            output=tmp_path / "out",
            loading=AS_IT_IS,
        )
