import pytest

from trtbuild.capability import Capability
from trtbuild.device import Devices, Gpu
from trtbuild.errors import PlanError, UsageError
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo
from trtbuild.plan.targets import (
    plan_file_name,
    targets_from_capability_list,
    targets_from_texts,
)

RTX = RuntimeInfo("tensorrt-rtx", "tensorrt-rtx", "tensorrt_rtx", "1.7.1.116", RTX_CAPABILITIES)
NONE = Devices()


def gpus(*capabilities: Capability) -> Devices:
    return Devices(tuple(Gpu(i, "GPU", f"GPU-{i}", c, 1) for i, c in enumerate(capabilities)))


def texts(targets: tuple[Capability, ...]) -> list[str]:
    return [str(target) for target in targets]


@pytest.mark.parametrize(
    ("asked", "targets"),
    [
        (["8.6"], ["8.6"]),
        (["8.9,sm_86", "sm80"], ["8.0", "8.6", "8.9"]),
        (["12.0", "8.0", "8.0"], ["8.0", "12.0"]),  # ascending: 12.0 is more than 8.0
        (["T4, L4", "RTX 4090"], ["7.5", "8.9"]),
        (["all"], ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"]),
        (["ALL", "8.6"], ["7.5", "8.0", "8.6", "8.9", "12.0", "12.1"]),
        ([], ["8.0", "8.6", "8.9", "12.0"]),
        ([" , "], ["8.0", "8.6", "8.9", "12.0"]),
    ],
)
def test_targets_without_a_gpu(asked: list[str], targets: list[str]) -> None:
    assert texts(targets_from_texts(asked, RTX, NONE)) == targets


@pytest.mark.parametrize("asked", [[], ["current"]])
def test_the_gpus_at_hand(asked: list[str]) -> None:
    devices = gpus(Capability(8, 9), Capability(8, 6), Capability(8, 9))
    assert texts(targets_from_texts(asked, RTX, devices)) == ["8.6", "8.9"]


def test_current_without_a_gpu_says_what_to_type() -> None:
    with pytest.raises(PlanError) as caught:
        targets_from_texts(["current"], RTX, NONE)
    assert caught.value.message == ("--target current: this machine has no GPU that can be used")
    assert caught.value.hint == (
        "name the compute capability of the GPU that will run the plan, for example --target 8.6"
    )


def test_a_target_that_nobody_knows() -> None:
    with pytest.raises(UsageError) as caught:
        targets_from_texts(["8.6,RTX 4080 Tie"], RTX, NONE)
    assert caught.value.message == (
        "no GPU and no compute capability is called 'RTX 4080 Tie'; near it are "
        "RTX 4070 TI, RTX 4060 TI, RTX 3080 TI"
    )


def test_a_gpu_at_hand_that_the_runtime_cannot_build_for_is_said_not_skipped() -> None:
    with pytest.raises(PlanError, match=r"tensorrt-rtx 1\.7\.1\.116 builds no plans for 9\.0"):
        targets_from_texts([], RTX, gpus(Capability(9, 0)))


def test_all_of_data_centre_tensorrt_is_the_gpus_at_hand() -> None:
    devices = gpus(Capability(9, 0), Capability(8, 0))
    runtime = RuntimeInfo("tensorrt", "tensorrt", "tensorrt", "11.1.0", devices.capabilities)
    assert texts(targets_from_texts(["all"], runtime, devices)) == ["8.0", "9.0"]


def test_plan_files_are_named_by_what_they_are_for() -> None:
    assert plan_file_name((Capability(8, 6),)) == "model.sm86.plan"
    both = (Capability(8, 9), Capability(12, 0))
    assert plan_file_name(both) == "model.sm89-sm120.plan"
    with pytest.raises(UsageError):
        plan_file_name(())


def test_a_capability_list_reads_back() -> None:
    targets = (Capability(7, 5), Capability(12, 1))
    assert targets_from_capability_list(", ".join(map(str, targets))) == targets
    assert targets_from_capability_list("") == ()
