import importlib.metadata
import importlib.util

import pytest

from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import MissingPackageError, PlanError, UsageError
from trtbuild.plan.runtimes import (
    RTX_CAPABILITIES,
    RuntimeInfo,
    check_targets,
    choose_runtime,
    installed_runtimes,
    same_release,
    why_release_refuses,
)

A10 = Devices((Gpu(0, "NVIDIA A10", "GPU-0", Capability(8, 6), 24 << 30),), "570.86.15", "12.8")
H100 = Devices((Gpu(0, "NVIDIA H100", "GPU-0", Capability(9, 0), 80 << 30),), "570.86.15", "12.8")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Package -> version; modules of the same spelling count as installed with them."""
    packages: dict[str, str] = {}

    def version(package: str) -> str:
        if package not in packages:
            raise importlib.metadata.PackageNotFoundError(package)
        return packages[package]

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    return packages


def test_what_is_installed_here_is_found_without_an_import(rtx: RuntimeInfo) -> None:
    assert rtx.name == "tensorrt-rtx"
    assert rtx.version == importlib.metadata.version(rtx.package)
    assert rtx.capabilities == RTX_CAPABILITIES
    assert rtx.shares_plans


def test_auto_takes_tensorrt_where_it_and_a_gpu_are_there(installed: dict[str, str]) -> None:
    installed.update({"tensorrt": "10.16.1.11", "tensorrt-rtx": "1.7.1.116"})
    with_gpu = choose_runtime("auto", A10)
    assert (with_gpu.name, with_gpu.capabilities) == ("tensorrt", (Capability(8, 6),))
    assert not with_gpu.shares_plans
    assert choose_runtime("auto", Devices()).name == "tensorrt-rtx"
    assert choose_runtime("tensorrt-rtx", A10).name == "tensorrt-rtx"


def test_a_flavour_by_cuda_version_is_the_same_runtime(installed: dict[str, str]) -> None:
    installed["tensorrt-cu12"] = "10.9.0.34"
    found = installed_runtimes(A10)
    assert [(r.name, r.module, r.version) for r in found] == [("tensorrt", "tensorrt", "10.9.0.34")]


@pytest.mark.parametrize(
    ("name", "says", "hint"),
    [
        (
            "auto",
            "building TensorRT plans here needs the package 'tensorrt-rtx', which is not installed",
            'pip install "trtbuild[rtx]"',
        ),
        (
            "tensorrt-rtx",
            "--runtime tensorrt-rtx needs the package 'tensorrt-rtx', which is not installed",
            'pip install "trtbuild[rtx]"',
        ),
        (
            "tensorrt",
            "--runtime tensorrt needs the package 'tensorrt', which is not installed",
            'pip install "trtbuild[tensorrt]"',
        ),
    ],
)
@pytest.mark.usefixtures("installed")
def test_a_runtime_that_is_not_installed(name: str, says: str, hint: str) -> None:
    with pytest.raises(MissingPackageError) as caught:
        choose_runtime(name, Devices())
    assert (caught.value.message, caught.value.hint) == (says, hint)


def test_tensorrt_without_a_gpu(installed: dict[str, str]) -> None:
    installed["tensorrt"] = "10.16.1.11"
    with pytest.raises(PlanError) as caught:
        choose_runtime("tensorrt", Devices())
    assert caught.value.message == (
        "--runtime tensorrt builds on a GPU of the target's compute capability; "
        "this machine has none"
    )
    broken = Devices(driver="570.86.15", problem="cuInit answered 999 (unknown error)")
    with pytest.raises(PlanError, match="driver cannot be used: cuInit answered 999"):
        choose_runtime("tensorrt", broken)


def test_a_runtime_that_nobody_knows() -> None:
    with pytest.raises(UsageError) as caught:
        choose_runtime("tensorflow", Devices())
    assert caught.value.message == "no runtime is called 'tensorflow'"
    assert caught.value.hint == "there are auto, tensorrt, tensorrt-rtx"


def test_auto_without_a_gpu_says_why_where_only_tensorrt_is_installed(
    installed: dict[str, str],
) -> None:
    installed["tensorrt"] = "10.9.0.34"
    hidden = Devices(problem="cuInit answered 100; CUDA_VISIBLE_DEVICES is ''")
    with pytest.raises(PlanError) as caught:
        choose_runtime("auto", hidden)
    assert caught.value.message == (
        "tensorrt 10.9.0.34 builds on a GPU; this machine's driver cannot be used: "
        "cuInit answered 100; CUDA_VISIBLE_DEVICES is ''"
    )
    assert 'pip install "trtbuild[rtx]"' in caught.value.hint


@pytest.mark.parametrize(
    ("runtime", "version", "runs"),
    [
        ("tensorrt", "10.9.0.34", True),
        ("tensorrt", "10.6.0.26", True),  # if it is version-compatible, which TensorRT tells
        ("tensorrt", "10.10.0.31", False),
        ("tensorrt-rtx", "1.7.1.116", True),
        ("tensorrt-rtx", "1.6.0.1", False),
        ("tensorrt-rtx", "1.8.0.1", False),
    ],
)
def test_plans_of_other_releases(
    installed: dict[str, str], runtime: str, version: str, *, runs: bool
) -> None:
    installed |= {"tensorrt": "10.9.0.34", "tensorrt-rtx": "1.7.1.116"}
    here = choose_runtime(runtime, A10)
    why = why_release_refuses(version, here)
    assert (why == "") is runs
    if why:
        assert why == (
            f"was built by {runtime} {version}, and {here.version} is installed here, "
            "which does not run it"
        )


def test_a_target_that_tensorrt_rtx_cannot_build(installed: dict[str, str]) -> None:
    installed["tensorrt-rtx"] = "1.7.1.116"
    runtime = choose_runtime("auto", Devices())
    check_targets((Capability(8, 6), Capability(12, 1)), runtime)
    with pytest.raises(PlanError) as caught:
        check_targets((Capability(8, 6), Capability(9, 0)), runtime)
    assert caught.value.message == (
        "tensorrt-rtx 1.7.1.116 builds no plans for 9.0 (H100, H200, H20); "
        "it builds for 7.5, 8.0, 8.6, 8.9, 12.0, 12.1"
    )
    assert caught.value.hint == (
        "data-centre TensorRT builds for 9.0, on a machine with such a GPU: "
        'pip install "trtbuild[tensorrt]" there, then --runtime tensorrt'
    )


def test_a_target_whose_gpu_is_not_at_hand(installed: dict[str, str]) -> None:
    installed["tensorrt"] = "10.16.1.11"
    runtime = choose_runtime("auto", H100)
    check_targets((Capability(9, 0),), runtime)
    with pytest.raises(PlanError) as caught:
        check_targets((Capability(8, 6),), runtime)
    assert caught.value.message == (
        "tensorrt 10.16.1.11 builds on a GPU of the target's compute capability; "
        "this machine has 9.0, not 8.6"
    )
    assert caught.value.hint == (
        "run it on a machine with a GPU of 8.6, or build with --runtime tensorrt-rtx, "
        "which needs none"
    )
    with pytest.raises(PlanError) as caught:
        check_targets((Capability(10, 0),), runtime)
    assert caught.value.hint == "run it on a machine with a GPU of 10.0"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.6.0.26", "10.6.0", True),
        ("10.6.0", "10.6.0.26", True),
        ("10.6.0.26", "10.6.0.27", False),
        ("10.6.0.26", "10.16.0.26", False),
        ("10.6.0.post1", "10.6.0.26", True),
        ("", "10.6.0", False),  # nothing is stated: nothing agrees
    ],
)
def test_releases_agree_as_far_as_both_state_them(one: str, other: str, *, same: bool) -> None:
    assert same_release(one, other) is same
