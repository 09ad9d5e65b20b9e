import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto

from tests.plan.models import matmul, saved
from trtbuild.artifacts import Plan
from trtbuild.capability import Capability
from trtbuild.errors import PlanError
from trtbuild.plan.build import plan
from trtbuild.plan.header import HEADER_BYTES, plan_header, plan_header_from_bytes
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import profile_from_shapes
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo

BOTH = (Capability(8, 0), Capability(12, 0))


@pytest.fixture(scope="module")
def built(rtx: RuntimeInfo, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    """Real plans: for each target alone, for two and for all."""
    folder = tmp_path_factory.mktemp("header")
    model = saved(matmul(TensorProto.FLOAT16), folder)
    profile = profile_from_shapes(model.inputs)
    plans = {}
    for targets in [*((one,) for one in RTX_CAPABILITIES), BOTH, RTX_CAPABILITIES]:
        spec = PlanSpec(model, profile, PlanOptions(), targets, rtx)
        plans[str(targets)] = plan(spec, folder)
    return plans


def test_real_plans_say_what_they_are_for(built: dict[str, Plan], rtx: RuntimeInfo) -> None:
    for made in built.values():
        header = plan_header(made.path)
        assert header.runtime == "tensorrt-rtx"
        assert header.version == rtx.version
        assert header.targets == made.targets
        assert not header.any_later
        assert header.size_bytes == made.size_bytes


def test_a_plan_without_declared_targets_claims_later_gpus(rtx: RuntimeInfo) -> None:
    from trtbuild.plan.network import Parsed, network_from_bytes, typed
    from trtbuild.plan.session import session

    loaded = session(rtx)
    parsed = network_from_bytes(loaded, matmul().SerializeToString(), typed(loaded))
    assert isinstance(parsed, Parsed)
    config = parsed.builder.create_builder_config()
    shapes = parsed.builder.create_optimization_profile()
    shapes.set_shape("x", (1, 64), (4, 64), (8, 64))
    config.add_optimization_profile(shapes)
    data = bytes(parsed.builder.build_serialized_network(parsed.network, config))
    header = plan_header_from_bytes(data[:HEADER_BYTES], len(data))
    assert header.any_later
    assert header.targets == RTX_CAPABILITIES[1:]


def test_a_plan_cut_short_anywhere_is_told(built: dict[str, Plan], tmp_path: Path) -> None:
    data = built[str(BOTH)].path.read_bytes()
    for size in (1, 4, 63, 64, len(data) // 2, len(data) - 1):
        (path := tmp_path / "m.plan").write_bytes(data[:size])
        with pytest.raises(PlanError, match=r"cut short|no TensorRT plan"):
            plan_header(path)


def test_the_exact_words_for_a_plan_cut_short(built: dict[str, Plan], tmp_path: Path) -> None:
    data = built[str(BOTH)].path.read_bytes()
    (path := tmp_path / "m.plan").write_bytes(data[:1000])
    with pytest.raises(PlanError) as caught:
        plan_header(path)
    assert caught.value.message == (
        f"{path}: the plan was cut short: the file has 1000 bytes, its header says {len(data)}"
    )
    path.write_bytes(data[:20])
    with pytest.raises(PlanError) as caught:
        plan_header(path)
    assert caught.value.message == (
        f"{path}: the plan was cut short: the file has 20 bytes, a plan's header alone has 64"
    )


def data_centre(serialization: int = 0) -> bytes:
    """A header as trtexec reads it, from data-centre TensorRT 10.16.1.11."""
    head = bytearray(HEADER_BYTES)
    head[0:4] = b"ftrt"
    struct.pack_into("<I", head, 4, serialization)
    head[24:28] = bytes((10, 16, 1, 11))
    return bytes(head)


def test_a_data_centre_plan_tells_its_version_only() -> None:
    header = plan_header_from_bytes(data_centre(), 1 << 20)
    assert (header.runtime, header.version, header.targets) == ("tensorrt", "10.16.1.11", None)


# The first 64 bytes of a plan of TensorRT 10.6.0.26 for an H200, of 135,564 bytes.
OF_10_6 = bytes.fromhex(
    "667472740000000002000000000000008c110200000000000a06001a72747274"
    "4e474e45000000005000000000000000380c0200000000005448475700000000"
)


def test_a_data_centre_plan_that_was_cut_short_is_told() -> None:
    header = plan_header_from_bytes(OF_10_6, 135_564)
    assert (header.version, header.targets) == ("10.6.0.26", None)
    with pytest.raises(PlanError, match="has 135563 bytes, its header says 135564"):
        plan_header_from_bytes(OF_10_6, 135_563)
    other = OF_10_6[:24] + bytes((10, 7, 0, 1)) + OF_10_6[28:]  # was not observed: it may differ
    assert plan_header_from_bytes(other, 64).version == "10.7.0.1"


def test_an_unknown_serialization_is_not_guessed_at() -> None:
    with pytest.raises(PlanError) as caught:
        plan_header_from_bytes(data_centre(serialization=3), 1 << 20, "m.plan")
    assert caught.value.message == (
        "m.plan: a tensorrt plan with serialization version 3; only version 0 is understood"
    )


def test_a_release_that_was_not_observed_tells_no_targets(built: dict[str, Plan]) -> None:
    data = bytearray(built[str(BOTH)].path.read_bytes()[:HEADER_BYTES])
    data[24:28] = bytes((2, 0, 0, 1))
    header = plan_header_from_bytes(bytes(data), 1 << 20)
    assert (header.version, header.targets) == ("2.0.0.1", None)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "m.plan is no TensorRT plan: the file is empty"),
        (
            b"\x08\x07\x12\x00" + bytes(90),
            "m.plan is no TensorRT plan: it starts with b'\\x08\\x07\\x12\\x00', "
            "plans with b'ftrt' or b'vtrt'",
        ),
    ],
)
def test_what_is_no_plan(data: bytes, says: str) -> None:
    with pytest.raises(PlanError) as caught:
        plan_header_from_bytes(data[:HEADER_BYTES], len(data), "m.plan")
    assert caught.value.message == says


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as caught:
        plan_header(tmp_path / "m.plan")
    assert caught.value.message == f"{tmp_path / 'm.plan'}: No such file or directory"
    with pytest.raises(PlanError, match="it is a folder"):
        plan_header(tmp_path)


@given(st.binary(max_size=80), st.booleans(), st.integers(0, 1 << 40))
def test_any_bytes_are_a_header_or_an_error(tail: bytes, tagged: bool, size: int) -> None:
    try:
        header = plan_header_from_bytes((b"vtrt\0\0\0\0" if tagged else b"") + tail, size)
    except PlanError as error:
        assert error.hint
    else:
        assert header.runtime == "tensorrt-rtx"


@pytest.mark.parametrize("version_byte", [0, 1, 7, 8, 0x80])
def test_a_plan_of_tensorrt_8_or_older_is_called_so(version_byte: int, tmp_path: Path) -> None:
    path = tmp_path / "model.plan"
    path.write_bytes(b"ptrt" + bytes([version_byte]) * 200)
    with pytest.raises(PlanError, match="is a plan of TensorRT 8 or older") as raised:
        plan_header(path)
    assert raised.value.hint == "build it again with the server's TensorRT"
