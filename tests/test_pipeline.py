"""The whole way on real models; each stage's own cases are tested beside it."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import onnxruntime as ort
import pytest

import trtbuild
from tests.models import bf16_inside, linear, save
from tests.with_tensorrt import needs_tensorrt
from trtbuild.accuracy import Accuracy
from trtbuild.artifacts import Conversion, OnnxModel, Progress
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import (
    ConfigError,
    PlanError,
    RepositoryError,
    UsageError,
    VerificationError,
)
from trtbuild.modelconfig.read import read_config
from trtbuild.plan.header import plan_header
from trtbuild.repository.lock import Lock, read_lock

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRTBUILD_CACHE_DIR", str(tmp_path / "cache"))


def locked(result: Conversion) -> Lock:
    lock = read_lock(result.directory / str(result.version))
    assert lock is not None
    return lock


def test_defaults_alone_build_something_to_keep(tmp_path: Path) -> None:
    result = trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo")
    assert (result.name, result.version, result.runtime) == ("tiny", 1, "tensorrt-rtx")
    (plan,) = result.plans
    assert [str(target) for target in plan.targets] == ["8.0", "8.6", "8.9", "12.0"]
    assert plan.path.parent == tmp_path / "repo/tiny/1"
    assert plan_header(plan.path).targets == plan.targets
    assert result.failures == ()
    assert result.report.passed
    assert {c.pair for c in result.report.comparisons} == {"onnx vs ONNX"}
    assert result.report.not_run["plan 8.9"] == "not run: no GPU of 8.9"
    config = read_config(tmp_path / "repo/tiny/config.pbtxt").message
    assert config.backend == "tensorrt_rtx"
    assert config.max_batch_size == 4
    assert dict(config.cc_model_filenames) == dict.fromkeys(
        ["8.0", "8.6", "8.9", "12.0"], plan.file
    )
    assert not (tmp_path / "repo/tiny/1/model.plan").exists()
    lock = locked(result)
    assert lock.options == {}
    assert lock.source.digest == result.model.digest or lock.source.digest is not None
    session = ort.InferenceSession(tmp_path / "repo/tiny/1/model.onnx")
    assert session.run(None, {"x": np.zeros((3, 8), np.float32)})[0].shape == (3, 8)


def test_the_same_again_comes_from_the_store_and_is_byte_for_byte_the_same(tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    first = trtbuild.convert(model, tmp_path / "repo")
    second = trtbuild.convert(model, tmp_path / "repo")
    assert second.version == 2
    assert {stage.name: stage.cached for stage in second.stages} == dict.fromkeys(
        ["export", "surgery", "verify", "plans"], True
    )
    assert second.plans[0].path.read_bytes() == first.plans[0].path.read_bytes()


_WARM = """
import json, sys
import trtbuild
trtbuild.convert(sys.argv[1], sys.argv[2])
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_a_warm_run_imports_no_framework(tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    trtbuild.convert(model, tmp_path / "repo")
    done = subprocess.run(
        [sys.executable, "-c", _WARM, str(model), str(tmp_path / "repo")],
        capture_output=True,
        check=True,
    )
    frameworks = {"numpy", "onnx", "onnxruntime", "tensorflow", "torch", "tensorrt", "tensorrt_rtx"}
    assert not frameworks & set(json.loads(done.stdout))


def test_neither_does_the_parent_of_a_cold_run(tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    done = subprocess.run(
        [sys.executable, "-c", _WARM, str(model), str(tmp_path / "repo")],
        capture_output=True,
        check=True,
    )
    frameworks = {"onnx", "onnxruntime", "tensorflow", "torch", "tensorrt", "tensorrt_rtx"}
    assert not frameworks & set(json.loads(done.stdout))


def test_one_target_fails_alone(tmp_path: Path) -> None:
    result = trtbuild.convert(
        bf16_inside(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("7.5", "8.6", "8.9")
    )
    (plan,) = result.plans
    assert [str(target) for target in plan.targets] == ["8.6", "8.9"]
    (failure,) = result.failures
    assert str(failure.target) == "7.5"
    assert failure.dtype == "bf16"
    assert failure.op in ("Cast", "MatMul")
    assert result.report.not_run["onnx vs ONNX"].startswith("not run: ONNX Runtime cannot run")
    assert locked(result).failures == result.failures
    config = read_config(tmp_path / "repo/tiny/config.pbtxt").message
    assert sorted(config.cc_model_filenames) == ["8.6", "8.9"]


def test_what_the_config_cannot_say_is_said_before_plans_are_built(tmp_path: Path) -> None:
    seen: list[Progress] = []
    with pytest.raises(ConfigError, match="--preferred-batch 99"):
        trtbuild.convert(
            linear(tmp_path / "tiny.onnx"),
            tmp_path / "repo",
            preferred_batch=(99,),
            on_progress=seen.append,
        )
    assert {step.work for step in seen} == {"export", "surgery"}


def test_when_every_target_fails_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no target could be built, so nothing was written"):
        trtbuild.convert(bf16_inside(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("7.5",))
    assert not (tmp_path / "repo").exists()


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_precision_is_in_the_graph_and_verified_before_and_after(
    tmp_path: Path, precision: str
) -> None:
    result = trtbuild.convert(
        linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",), precision=precision
    )
    assert {c.pair for c in result.report.comparisons} == {
        "onnx vs ONNX",
        f"onnx vs ONNX {precision}",
    }
    assert isinstance(result.model, OnnxModel)
    built_from = onnx.load(result.model.path)
    kinds = {onnx.TensorProto.DataType.Name(t.data_type) for t in built_from.graph.initializer}
    assert kinds == {{"fp16": "FLOAT16", "bf16": "BFLOAT16"}[precision]}
    session = ort.InferenceSession(tmp_path / "repo/tiny/1/model.onnx")  # runs on any CPU
    assert session.run(None, {"x": np.zeros((3, 8), np.float32)})[0].shape == (3, 8)
    assert result.model.inputs[0].dtype == "fp32"
    assert locked(result).options["precision"] == precision


def test_a_newer_ir_version_than_onnx_runtime_knows_is_no_obstacle(tmp_path: Path) -> None:
    path = linear(tmp_path / "tiny.onnx")
    model = onnx.load(path)
    model.ir_version = 14
    onnx.save(model, path)
    result = trtbuild.convert(path, tmp_path / "repo", targets=("8.6",))
    assert {c.pair for c in result.report.comparisons} == {"onnx vs ONNX"}


def test_numbers_that_are_off_stop_the_conversion_with_the_table(tmp_path: Path) -> None:
    with pytest.raises(VerificationError) as caught:
        trtbuild.convert(
            linear(tmp_path / "tiny.onnx"),
            tmp_path / "repo",
            targets=("8.6",),
            precision="fp16",
            rtol=0.0,
            atol=1e-9,
        )
    assert "onnx vs ONNX fp16" in caught.value.message
    assert "WORST ELEMENT" in caught.value.message
    assert not (tmp_path / "repo").exists()


def test_without_verification_the_lock_says_so(tmp_path: Path) -> None:
    result = trtbuild.convert(
        linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",), verify=False
    )
    assert result.report.not_run == {"everything": "not run: --no-verify"}
    assert locked(result).report == result.report


def test_targets_are_added_to_a_version(tmp_path: Path) -> None:
    model, repo = linear(tmp_path / "tiny.onnx"), tmp_path / "repo"
    trtbuild.convert(model, repo, targets=("8.6",), instances=3)
    added = trtbuild.convert(model, repo, targets=("8.9",), mode="add")
    assert added.version == 1
    config = read_config(repo / "tiny/config.pbtxt").message
    assert dict(config.cc_model_filenames) == {"8.6": "model.sm86.plan", "8.9": "model.sm89.plan"}
    assert config.instance_group[0].count == 3  # what was asked for once holds
    later = trtbuild.convert(model, repo, targets=("8.9",), instances=2)
    assert later.version == 2
    assert read_config(repo / "tiny/config.pbtxt").message.instance_group[0].count == 2
    with pytest.raises(RepositoryError, match="differs from version 2 of 'tiny' in the shapes"):
        trtbuild.convert(model, repo, targets=("12.0",), mode="add", max_batch=3)


TWO = ("batch=1x1x1,seq=1x16x64", "batch=1x4x8,seq=1x4x16")


def sequences(path: Path) -> Path:
    """y [batch, seq] = relu(x [batch, seq])."""
    shape = (onnx.TensorProto.FLOAT, ("batch", "seq"))
    relu = onnx.helper.make_node("Relu", ["x"], ["y"])
    return save(path, [relu], {"x": shape}, {"y": shape})


def test_a_plan_of_several_profiles(tmp_path: Path) -> None:
    model, repo = sequences(tmp_path / "seq.onnx"), tmp_path / "repo"
    result = trtbuild.convert(model, repo, targets=("8.6",), profiles=TWO, warmup=True)
    assert [each["x"].max for each in result.profiles] == [(1, 64), (8, 16)]
    assert result.profile["x"].max == (8, 64)
    assert locked(result).profiles == result.profiles
    assert [one.point for one in result.report.comparisons] == [
        "profile 0 min=profile 1 min", "profile 0 opt", "profile 0 max", "profile 1 opt",
        "profile 1 max",
    ]  # fmt: skip
    assert result.findings == ()
    config = read_config(result.directory / "config.pbtxt").message
    assert list(config.instance_group[0].profile) == ["0", "1"]
    assert config.max_batch_size == 8
    # Two requests of 64 that fit profile 0 each would fit none as a batch.
    assert not config.HasField("dynamic_batching")
    assert [each.batch_size for each in config.model_warmup] == [1, 4]
    with pytest.raises(ConfigError, match="fit a profile each may fit none as a batch"):
        trtbuild.convert(model, repo, targets=("8.6",), profiles=TWO, preferred_batch=(4,))


@pytest.mark.gpu
@needs_tensorrt
def test_a_plan_is_compared_in_each_profile(tmp_path: Path) -> None:
    model = linear(tmp_path / "tiny.onnx")
    profiles = ("batch=1x1x1", "batch=1x16x32")
    result = trtbuild.convert(model, tmp_path / "repo", runtime="tensorrt", profiles=profiles)
    of_plan = [one for one in result.report.comparisons if "vs plan" in one.pair]
    first = "profile 0 min=profile 0 opt=profile 0 max=profile 1 min"
    assert [one.point for one in of_plan] == [
        f"{first} in 0", f"{first} in 1", "profile 1 opt", "profile 1 max",
    ]  # fmt: skip
    assert all(one.passed for one in of_plan)
    assert result.findings == ()


def test_targets_are_added_to_several_profiles(tmp_path: Path) -> None:
    model, repo = sequences(tmp_path / "seq.onnx"), tmp_path / "repo"
    trtbuild.convert(model, repo, targets=("8.6",), profiles=TWO, instances=3)
    added = trtbuild.convert(model, repo, targets=("8.9",), profiles=TWO, mode="add")
    config = read_config(repo / "seq/config.pbtxt").message
    assert list(config.instance_group[0].profile) == ["0", "1"]
    assert config.instance_group[0].count == 3
    assert locked(added).profiles == added.profiles
    around = ("batch=1x1x8,seq=1x16x64",)  # the same envelope in one profile
    for others in (TWO[::-1], around):
        with pytest.raises(RepositoryError, match="in the shapes"):
            trtbuild.convert(model, repo, targets=("12.0",), profiles=others, mode="add")
    trtbuild.convert(model, repo, targets=("8.9",), profiles=around)
    config = read_config(repo / "seq/config.pbtxt").message
    assert list(config.instance_group[0].profile) == []  # of the plans, so not kept
    assert config.instance_group[0].count == 3


def test_cuda_graphs_reach_the_config_where_a_model_can_have_them(tmp_path: Path) -> None:
    model, repo = sequences(tmp_path / "seq.onnx"), tmp_path / "repo"
    one = ("batch=1x4x8,seq=1x4x16",)
    result = trtbuild.convert(model, repo, targets=("8.6",), profiles=one, cuda_graphs=True)
    cuda = read_config(result.directory / "config.pbtxt").message.optimization.cuda
    assert cuda.graphs
    assert [spec.batch_size for spec in cuda.graph_spec] == [1, 2, 4, 8]
    assert cuda.graph_spec[3].graph_lower_bound.batch_size == 5
    assert list(cuda.graph_spec[3].graph_lower_bound.input["x"].dim) == [4]
    assert result.findings == ()
    waits = save(
        tmp_path / "waits.onnx",
        [onnx.helper.make_node("NonZero", ["x"], ["z"])],
        {"x": (onnx.TensorProto.FLOAT, ("batch", "seq"))},
        {"z": (onnx.TensorProto.INT64, (2, "found"))},
    )
    with pytest.raises(UsageError, match="since NonZero waits for values from the GPU"):
        trtbuild.convert(waits, repo, targets=("8.6",), profiles=one, cuda_graphs=True)
    assert not (repo / "waits").exists()


def test_a_later_version_has_cuda_graphs_of_its_own_plans(tmp_path: Path) -> None:
    model, repo = sequences(tmp_path / "seq.onnx"), tmp_path / "repo"

    def graphs(profile: str, **options: object) -> list[tuple[int, int]]:
        result = trtbuild.convert(model, repo, targets=("8.6",), profiles=(profile,), **options)
        cuda = read_config(result.directory / "config.pbtxt").message.optimization.cuda
        assert cuda.graphs == bool(cuda.graph_spec)
        return [(spec.batch_size, spec.input["x"].dim[0]) for spec in cuda.graph_spec]

    assert graphs("batch=1x4x4,seq=1x4x16", cuda_graphs=True) == [(1, 4), (2, 4), (4, 4)]
    assert graphs("batch=1x4x4,seq=1x8x16") == [(1, 8), (2, 8), (4, 8)]
    assert graphs("batch=1x4x8,seq=1x8x16") == [(1, 8), (2, 8), (4, 8), (8, 8)]
    assert graphs("batch=1x4x8,seq=1x8x16", graph_batch=(8,)) == [(8, 8)]
    assert graphs("batch=1x4x16,seq=1x8x16") == [(8, 8)]
    assert graphs("batch=1x4x16,seq=1x8x16", cuda_graphs=False) == []
    assert graphs("batch=1x4x16,seq=1x8x16") == []


def test_plans_can_be_split_by_target(tmp_path: Path) -> None:
    result = trtbuild.convert(
        linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6,8.9",), plans="per-target"
    )
    assert [plan.file for plan in result.plans] == ["model.sm86.plan", "model.sm89.plan"]


def test_options_reach_the_config_and_the_folder(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("\n".join("abcdefgh"))
    result = trtbuild.convert(
        linear(tmp_path / "tiny.onnx"),
        tmp_path / "repo",
        name="other",
        version=5,
        targets=("8.6",),
        max_batch=32,
        instances=2,
        max_queue_delay_us=100,
        preferred_batch=(16,),
        labels=(f"y={tmp_path / 'names.txt'}",),
        warmup=True,
        portable=False,
        opt_shapes=("x:4x8",),
    )
    folder = tmp_path / "repo/other"
    assert result.version == 5
    config = read_config(folder / "config.pbtxt").message
    assert config.max_batch_size == 32
    assert config.instance_group[0].count == 2
    assert config.dynamic_batching.max_queue_delay_microseconds == 100
    assert list(config.dynamic_batching.preferred_batch_size) == [16]
    assert config.output[0].label_filename == "names.txt"
    assert (folder / "names.txt").read_text().startswith("a\nb")
    assert config.model_warmup[0].batch_size == 4
    assert sorted(path.name for path in (folder / "5").iterdir()) == [
        "model.sm86.plan",
        "trtbuild.lock.json",
    ]


def test_a_cache_that_cannot_be_written_is_gone_without(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    done = trtbuild.convert(linear(tmp_path / "tiny.onnx"), tmp_path / "repo")
    assert all(plan.path.is_file() for plan in done.plans)
    assert [record.getMessage().count("is not used") for record in caplog.records] == [1]


def test_progress_names_every_stage_and_target(tmp_path: Path) -> None:
    seen: list[Progress] = []
    trtbuild.convert(
        linear(tmp_path / "tiny.onnx"), tmp_path / "repo", targets=("8.6",), on_progress=seen.append
    )
    assert {"export", "surgery", "verify", "8.6"} <= {step.work for step in seen}
    totals = [step for step in seen if step.work == "8.6" and step.total > 1]
    assert totals, "TensorRT's own progress monitor was heard"


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(LIGHT.glob("light_*.onnx")), ids=lambda path: path.stem)
def test_the_onnx_packages_own_models(path: Path, tmp_path: Path) -> None:
    result = trtbuild.convert(path, tmp_path / "repo", targets=("8.9",))
    assert result.report.passed
    assert msgspec.json.decode(msgspec.json.encode(locked(result)))["name"] == path.stem


def test_a_second_conversion_has_its_plans_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exports come from the cache, so the frameworks' worker starts amid the run, and late."""
    here = Gpu(0, "NVIDIA A10", "GPU-0", Capability(8, 6), 24 << 30)
    monkeypatch.setattr("trtbuild.device.gpus", lambda: Devices((here,)))
    compared: list[int] = []

    def compare(
        _self: Accuracy, _plan: object, _gpu: Gpu, points: list[object], *_more: object
    ) -> list[object]:
        compared.append(len(points))
        return []

    monkeypatch.setattr(Accuracy, "_compare_plan", compare)
    source = linear(tmp_path / "tiny.onnx")
    trtbuild.convert(source, tmp_path / "repo", targets=("8.6",), max_batch=4)
    trtbuild.convert(source, tmp_path / "repo", targets=("8.6",), max_batch=8)
    assert compared == [3, 3]
    again = trtbuild.convert(source, tmp_path / "repo", targets=("8.6",), max_batch=8)
    assert compared == [3, 3], "the store has the same plan's comparison"
    assert all(stage.cached for stage in again.stages)
    other = Gpu(0, "NVIDIA A40", "GPU-0", Capability(8, 6), 48 << 30)
    monkeypatch.setattr("trtbuild.device.gpus", lambda: Devices((other,)))
    trtbuild.convert(source, tmp_path / "repo", targets=("8.6",), max_batch=8)
    assert compared == [3, 3, 3]
