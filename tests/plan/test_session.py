import msgspec
import pytest

from trtbuild.capability import Capability
from trtbuild.errors import MissingPackageError, PlanError
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo
from trtbuild.plan.session import Session, session


def test_a_process_has_one_session(rtx: RuntimeInfo) -> None:
    assert session(rtx) is session(rtx)
    assert session(rtx).name == f"tensorrt-rtx {rtx.version}"


def test_every_target_has_its_member(rtx: RuntimeInfo) -> None:
    loaded = session(rtx)
    config = loaded.new_builder().create_builder_config()
    loaded.set_targets(config, RTX_CAPABILITIES)
    assert config.num_compute_capabilities == len(RTX_CAPABILITIES)
    names = [config.get_compute_capability(i).name for i in range(len(RTX_CAPABILITIES))]
    assert names == ["SM75", "SM80", "SM86", "SM89", "SM120", "SM121"]


def test_the_table_of_targets_is_that_of_the_release(rtx: RuntimeInfo) -> None:
    members = session(rtx).trt.ComputeCapability.__members__
    theirs = {name for name in members if name.startswith("SM")}
    assert theirs == {f"SM{c.major}{c.minor}" for c in RTX_CAPABILITIES}


def test_a_target_that_the_release_lacks(rtx: RuntimeInfo) -> None:
    loaded = session(rtx)
    config = loaded.new_builder().create_builder_config()
    with pytest.raises(PlanError) as caught:
        loaded.set_targets(config, (Capability(9, 0),))
    assert caught.value.message == f"{loaded.name} builds no plans for 9.0"
    assert caught.value.refused_by == "release"


def test_a_member_that_a_release_lacks_is_none(rtx: RuntimeInfo) -> None:
    assert session(rtx).member("BuilderFlag", "FP16") is None
    assert session(rtx).member("NoSuchEnum", "FP16") is None
    assert session(rtx).member("BuilderFlag", "TF32") is not None


def test_errors_are_collected_and_forgotten(rtx: RuntimeInfo) -> None:
    loaded = session(rtx)
    loaded.forget_errors()
    loaded.logger.log(loaded.trt.ILogger.Severity.WARNING, "only a warning")
    loaded.logger.log(loaded.trt.ILogger.Severity.ERROR, "an error")
    assert loaded.errors == ["an error"]
    loaded.forget_errors()
    assert loaded.errors == []


def test_a_package_that_does_not_load(rtx: RuntimeInfo) -> None:
    broken = msgspec.structs.replace(rtx, module="tensorrt_rtx_of_another_world")
    with pytest.raises(MissingPackageError) as caught:
        Session(broken)
    assert caught.value.message == (
        f"{rtx.package} {rtx.version} is installed, but does not load: "
        "No module named 'tensorrt_rtx_of_another_world'"
    )
    assert caught.value.hint == f"pip install --force-reinstall {rtx.package}"
