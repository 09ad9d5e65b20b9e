"""Which plan each GPU gets, and why none.

The plans here are headers alone; `tests/plan/test_header.py` reads those of real ones.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from trtserve.errors import Kind, ServeError
from trtserve.placement import CPU, Seat
from trtserve.plans import Chosen, NoPlanHere, PlanRefused, choose, fall_back

from tests.repository.content import content
from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.modelconfig.schema import new_config
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.repository.lock import lock_text

L4 = Gpu(0, "NVIDIA L4", "GPU-0", Capability(8, 9), 24 << 30)
H200 = Gpu(1, "NVIDIA H200", "GPU-1", Capability(9, 0), 139 << 30)
T4 = Gpu(2, "Tesla T4", "GPU-2", Capability(7, 5), 16 << 30)
RTX = RuntimeInfo("tensorrt-rtx", "tensorrt-rtx", "tensorrt_rtx", "1.7.1.116", ())
TRT = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "10.9.0.34", ())
BITS = {"7.5": 1, "8.0": 2, "8.6": 4, "8.9": 8, "12.0": 16, "later": 64}


def rtx_plan(*targets: str, version: str = "1.7.1.116") -> bytes:
    """The header of a TensorRT for RTX plan, and nothing behind it."""
    head = bytearray(64)
    head[:4] = b"vtrt"
    struct.pack_into("<Q", head, 16, 64)
    head[24:28] = bytes(int(part) for part in version.split("."))
    head[32] = sum(BITS[target] for target in targets)
    return bytes(head)


def trt_plan(version: str = "10.9.0.34") -> bytes:
    head = bytearray(64)
    head[:4] = b"ftrt"
    head[24:28] = bytes(int(part) for part in version.split("."))
    return bytes(head)


def chosen(
    folder: Path,
    files: dict[str, bytes],
    named: dict[str, str],
    gpus: Sequence[Gpu] = (L4,),
    *,
    backend: str = "tensorrt_rtx",
    default: str = "",
    devices: Sequence[str] | None = None,
    runtimes: Sequence[RuntimeInfo] = (RTX, TRT),
    problem: str = "",
) -> Chosen:
    version = folder / "m" / "1"
    version.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (version / name).write_bytes(data)
    config: Any = new_config(name="m", backend=backend, default_model_filename=default)
    config.cc_model_filenames.update(named)
    on = [f"cuda:{gpu.index}" for gpu in gpus] or [CPU] if devices is None else devices
    seats = [Seat(f"m_{number}", device) for number, device in enumerate(on)]
    return choose(config, version, seats, Devices(tuple(gpus), problem=problem), runtimes)


def refusal(*args: Any, **more: Any) -> str:
    with pytest.raises(PlanRefused) as caught:
        chosen(*args, **more)
    return caught.value.message


def test_each_gpu_gets_the_plan_of_its_compute_capability(tmp_path: Path) -> None:
    files = {"a.plan": rtx_plan("8.9"), "b.plan": rtx_plan("7.5", "8.0")}
    found = chosen(tmp_path, files, {"8.9": "a.plan", "7.5": "b.plan"}, (L4, T4))
    assert {device: path.name for device, path in found.files.items()} == {
        "cuda:0": "a.plan", "cuda:2": "b.plan",
    }  # fmt: skip
    assert found.why["cuda:2"] == "7.5 in cc_model_filenames"
    assert found.runtime is RTX


@pytest.mark.parametrize(("default", "file"), [("other.plan", "other.plan"), ("", "model.plan")])
def test_without_its_key_a_gpu_gets_the_default(tmp_path: Path, default: str, file: str) -> None:
    files = {"a.plan": rtx_plan("8.9"), file: rtx_plan("7.5", "8.9")}
    found = chosen(tmp_path, files, {"12.0": "a.plan"}, default=default)
    assert found.files["cuda:0"].name == file
    assert found.why["cuda:0"] == "the default: 8.9 is not in cc_model_filenames"


def test_targets_and_gpus_are_said_in_their_order(tmp_path: Path) -> None:
    files = {"a.plan": rtx_plan("7.5", "8.0", "12.0")}
    named = dict.fromkeys(("12.0", "8.0", "7.5"), "a.plan")
    assert refusal(tmp_path, files, named, (H200, L4)) == (
        "its plans are for compute capability 7.5, 8.0, 12.0; "
        "this machine has NVIDIA L4 (8.9), NVIDIA H200 (9.0)"
    )


def test_a_default_that_is_for_other_gpus_is_not_run(tmp_path: Path) -> None:
    files = {"a.plan": rtx_plan("8.6", "8.9")}
    said = refusal(tmp_path, files, {"8.6": "a.plan", "8.9": "a.plan"}, (H200,), default="a.plan")
    assert said == (
        "its plans are for compute capability 8.6, 8.9; this machine has NVIDIA H200 (9.0)"
    )


def test_a_gpu_without_a_plan_among_others_is_named(tmp_path: Path) -> None:
    said = refusal(tmp_path, {"a.plan": rtx_plan("8.9")}, {"8.9": "a.plan"}, (L4, H200))
    assert said.endswith("No plan is for NVIDIA H200: name the GPUs that fit in instance_group")
    found = chosen(tmp_path, {}, {"8.9": "a.plan"}, (L4, H200), devices=["cuda:0"])
    assert list(found.files) == ["cuda:0"]


@pytest.mark.parametrize(
    ("gpus", "devices", "problem", "says"),
    [
        ((), None, "", "this machine has no GPU"),
        ((), None, "cuInit answered 100", "no GPU that can be used (cuInit answered 100)"),
        ((L4,), [CPU], "", "has NVIDIA L4 (8.9), but an instance sits on the CPU (--device or"),
        ((L4,), ["cuda:7"], "", "this machine has NVIDIA L4 (8.9), and none of them is cuda:7"),
    ],
)
def test_no_gpu_to_run_on(
    tmp_path: Path, gpus: Sequence[Gpu], devices: Sequence[str] | None, problem: str, says: str
) -> None:
    files = {"a.plan": rtx_plan("8.9")}
    said = refusal(tmp_path, files, {"8.9": "a.plan"}, gpus, devices=devices, problem=problem)
    assert said.startswith("its plans are for compute capability 8.9; ")
    assert says in said


@pytest.mark.parametrize(
    ("file", "backend", "runtimes", "says"),
    [
        (None, "tensorrt_rtx", (RTX,), "'a.plan', which cc_model_filenames names for 8.9, is not"),
        (b"", "tensorrt_rtx", (RTX,), "a.plan is no TensorRT plan: the file is empty"),
        (rtx_plan("8.9")[:60], "tensorrt_rtx", (RTX,), "a.plan: the plan was cut short"),
        (rtx_plan("8.9"), "tensorrt", (RTX, TRT),
         "a.plan is a plan of tensorrt-rtx, and backend 'tensorrt' runs those of tensorrt: say "
         'backend: "tensorrt_rtx"'),
        (trt_plan(), "tensorrt_rtx", (RTX, TRT), 'say backend: "tensorrt"'),
        (rtx_plan("8.6"), "tensorrt_rtx", (RTX,),
         "cc_model_filenames names a.plan for 8.9, but it was built for 8.6; this machine has"),
        (rtx_plan("8.9"), "tensorrt_rtx", (), 'pip install "trtbuild[rtx]"'),
        (trt_plan(), "tensorrt", (RTX,), 'pip install "trtbuild[tensorrt]"'),
        (rtx_plan("8.9", version="1.7.0.1"), "tensorrt_rtx", (RTX,),
         "a.plan was built by tensorrt-rtx 1.7.0.1, and 1.7.1.116 is installed here"),
        (trt_plan("10.12.0.1"), "tensorrt", (TRT,), "built by tensorrt 10.12.0.1, and 10.9.0.34"),
    ],
)  # fmt: skip
def test_what_the_file_itself_rules_out(
    tmp_path: Path, file: bytes | None, backend: str, runtimes: Sequence[RuntimeInfo], says: str
) -> None:
    files = {} if file is None else {"a.plan": file}
    named = {"8.9": "a.plan"}
    assert says in refusal(tmp_path, files, named, backend=backend, runtimes=runtimes)


@pytest.mark.parametrize(
    ("file", "backend"),
    [
        (rtx_plan("8.6", "later"), "tensorrt_rtx"),  # no target was declared
        (trt_plan("10.3.0.26"), "tensorrt"),  # may be version compatible: it says so itself
    ],
)
def test_what_only_the_runtime_can_tell_is_left_to_it(
    tmp_path: Path, file: bytes, backend: str
) -> None:
    found = chosen(tmp_path, {"a.plan": file}, {"8.9": "a.plan"}, backend=backend)
    assert found.files["cuda:0"].name == "a.plan"


def test_the_lock_tells_the_targets_that_a_data_centre_plan_does_not(tmp_path: Path) -> None:
    lock = content(tmp_path / "made", ("8.0", "9.0")).lock
    plan = msgspec.structs.replace(lock.plans[0], file="model.plan")
    text = lock_text(msgspec.structs.replace(lock, plans=(plan,)))
    files = {"model.plan": trt_plan(), "trtbuild.lock.json": text}
    said = refusal(tmp_path, files, {}, backend="tensorrt")
    assert said == (
        "its plans are for compute capability 8.0, 9.0; this machine has NVIDIA L4 (8.9)"
    )
    assert chosen(tmp_path, files, {}, (H200,), backend="tensorrt").files


def test_the_lock_tells_what_is_stripped_and_what_runs_on_more_gpus(tmp_path: Path) -> None:
    lock = content(tmp_path / "made", ("8.0",)).lock

    def files(**stated: Any) -> dict[str, bytes]:
        plan = msgspec.structs.replace(lock.plans[0], file="model.plan", **stated)
        text = lock_text(msgspec.structs.replace(lock, plans=(plan,)))
        return {"model.plan": trt_plan(), "trtbuild.lock.json": text}

    found = chosen(tmp_path, files(hardware="ampere+"), {}, backend="tensorrt")
    assert found.files["cuda:0"].name == "model.plan"
    said = refusal(tmp_path, files(stripped=True), {"8.9": "model.plan"}, backend="tensorrt")
    assert "model.plan was built without its weights" in said
    assert "trtbuild refit" in said


def test_a_damaged_lock_does_not_hide_a_good_plan(tmp_path: Path) -> None:
    files = {"model.plan": trt_plan(), "trtbuild.lock.json": b"{"}
    assert chosen(tmp_path, files, {}, backend="tensorrt").files


def test_no_config_names_a_file_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.plan").write_bytes(rtx_plan("8.9"))
    with pytest.raises(ServeError, match="must stay within the model's directory"):
        chosen(tmp_path, {}, {"8.9": "../../secret.plan"})


def test_where_no_plan_is_meant_for_this_machine_the_portable_model_runs(tmp_path: Path) -> None:
    why = NoPlanHere("its plans are for compute capability 8.9; this machine has no GPU")
    with pytest.raises(ServeError, match=r"no GPU, and there is no model\.onnx beside its plans"):
        fall_back("m", tmp_path, "auto", why)
    (tmp_path / "model.onnx").write_bytes(b"")
    for fallback in ("auto", "onnx"):
        path, note = fall_back("m", tmp_path, fallback, why)
        assert path == tmp_path / "model.onnx"
        assert note == f"runs model.onnx on ONNX Runtime: {why}"
    with pytest.raises(ServeError, match=f"model 'm' cannot run here: {why}"):
        fall_back("m", tmp_path, "none", why)


def test_a_plan_that_is_refused_on_its_gpu_is_an_error_unless_a_fallback_is_asked_for(
    tmp_path: Path,
) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    why = PlanRefused("tensorrt 10.6.0 refuses a.plan on cuda:0: it is odd")
    with pytest.raises(ServeError) as caught:
        fall_back("m", tmp_path, "auto", why)
    assert caught.value.kind is Kind.UNAVAILABLE
    assert caught.value.message == (
        f"model 'm' cannot run here: {why} (--fallback onnx would run model.onnx instead)"
    )
    assert fall_back("m", tmp_path, "onnx", why)[0] == tmp_path / "model.onnx"
    with pytest.raises(ServeError, match=f"model 'm' cannot run here: {why}$"):
        fall_back("m", tmp_path, "none", why)


@pytest.mark.parametrize(
    ("file", "named", "gpu", "meant"),
    [
        (trt_plan("10.12.0.1"), {"8.9": "a.plan"}, L4, True),  # another release
        (rtx_plan("8.6"), {"8.9": "a.plan"}, L4, True),  # the config says that it is for this GPU
        (b"", {"8.9": "a.plan"}, L4, True),
        (rtx_plan("8.9"), {"8.9": "a.plan"}, H200, False),
        (rtx_plan("8.9"), {}, H200, False),
    ],
)
def test_a_refusal_is_told_from_a_gpu_that_no_plan_is_meant_for(
    tmp_path: Path, file: bytes, named: dict[str, str], gpu: Gpu, *, meant: bool
) -> None:
    backend = "tensorrt" if file[:4] == b"ftrt" else "tensorrt_rtx"
    with pytest.raises(PlanRefused) as caught:
        chosen(tmp_path, {"a.plan": file}, named, (gpu,), backend=backend, default="a.plan")
    assert isinstance(caught.value, NoPlanHere) is not meant


@pytest.mark.parametrize(
    ("plan", "package", "runs"),
    [
        ("10.6.0.26", "10.6.0", True),  # packages had three numbers before 10.15
        ("10.6.0.27", "10.6.0.26", False),
        ("10.6.0.26", "10.6.1", True),  # an older one may be version compatible
        ("10.6.1.2", "10.6.0", False),
        ("10.15.1.29", "10.15.1.29", True),
    ],
)
def test_releases_are_compared_as_far_as_both_state_them(
    tmp_path: Path, plan: str, package: str, *, runs: bool
) -> None:
    installed = (msgspec.structs.replace(TRT, version=package),)
    files, named = {"a.plan": trt_plan(plan)}, {"8.9": "a.plan"}
    if runs:
        assert chosen(tmp_path, files, named, backend="tensorrt", runtimes=installed).files
    else:
        said = refusal(tmp_path, files, named, backend="tensorrt", runtimes=installed)
        assert f"built by tensorrt {plan}, and {package} is installed here" in said
