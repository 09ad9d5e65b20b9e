from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest
from onnx import TensorProto

from tests.plan.models import LIGHT, convolution, four_rows_only, identity, matmul, saved
from trtbuild.artifacts import OnnxModel, Plan, Range, digest_of_files
from trtbuild.capability import Capability
from trtbuild.errors import PlanError, TrtbuildError
from trtbuild.onnx_model import describe
from trtbuild.plan.build import plan, warm_up
from trtbuild.plan.interface import check_types
from trtbuild.plan.options import PlanOptions, PlanSpec
from trtbuild.plan.profiles import ShapeOptions, envelope, profile_from_shapes
from trtbuild.plan.runtimes import RTX_CAPABILITIES, RuntimeInfo
from trtbuild.tensor import DTYPES, TensorSpec
from trtbuild.workers.pool import Pool

A10 = (Capability(8, 6),)


def spec_of(proto: onnx.ModelProto, folder: Path, runtime: RuntimeInfo, **more: Any) -> PlanSpec:
    model = saved(proto, folder)
    profile = more.pop("profile", None) or profile_from_shapes(model.inputs)
    targets = more.pop("targets", A10)
    return PlanSpec(model, profile, PlanOptions(**more), targets, runtime)


def test_a_plan_is_a_file_with_its_provenance(rtx: RuntimeInfo, tmp_path: Path) -> None:
    made = plan(spec_of(matmul(), tmp_path, rtx), tmp_path)
    assert made.path == tmp_path / "model.sm86.plan"
    assert made.digest == digest_of_files(made.path)
    assert made.size_bytes == made.path.stat().st_size > 1000
    assert (made.targets, made.runtime, made.runtime_version) == (A10, "tensorrt-rtx", rtx.version)
    assert made.seconds > 0
    assert not made.cached


@pytest.mark.parametrize(
    "options", [{}, {"opt_level": 0}, {"opt_level": 5}, {"workspace_mib": 256}], ids=str
)
def test_every_option_reaches_the_builder(
    rtx: RuntimeInfo, tmp_path: Path, options: dict[str, Any]
) -> None:
    assert plan(spec_of(matmul(), tmp_path, rtx, **options), tmp_path).size_bytes > 1000


def test_several_profiles_and_plans_to_capture(rtx: RuntimeInfo, tmp_path: Path) -> None:
    spec = spec_of(matmul(), tmp_path, rtx)
    halves = (
        {"x": Range((1, 64), (1, 64), (1, 64))},
        {"x": Range((2, 64), (16, 64), (32, 64))},
    )
    specs = [
        spec,
        msgspec.structs.replace(spec, profile=envelope(halves), profiles=halves),
        msgspec.structs.replace(spec, profile=envelope(halves)),
        msgspec.structs.replace(spec, options=PlanOptions(capturable=True)),
    ]
    digests = []
    for number, each in enumerate(specs):
        (tmp_path / str(number)).mkdir()
        digests.append(plan(each, tmp_path / str(number)).digest)
    assert len(set(digests)) == len(specs)  # each reached the builder


def test_a_profile_that_the_network_cannot_have_is_named(rtx: RuntimeInfo, tmp_path: Path) -> None:
    spec = spec_of(matmul(), tmp_path, rtx)
    wrong = {"x": Range((1, 63), (1, 63), (1, 63))}
    spec = msgspec.structs.replace(spec, profiles=(spec.profile, wrong))
    with pytest.raises(PlanError):
        plan(spec, tmp_path)


def test_too_little_workspace_says_so(rtx: RuntimeInfo, tmp_path: Path) -> None:
    spec = spec_of(matmul(), tmp_path, rtx, opt_level=5, workspace_mib=1)
    with pytest.raises(PlanError) as caught:
        plan(spec, tmp_path)
    assert "no tactics to implement the operation within workspace limit" in caught.value.message
    assert caught.value.hint == "give it more memory with --workspace"


def test_what_a_target_cannot_do_names_it(rtx: RuntimeInfo, tmp_path: Path) -> None:
    spec = spec_of(matmul(TensorProto.FLOAT), tmp_path, rtx, targets=RTX_CAPABILITIES)
    with pytest.raises(PlanError) as caught:
        plan(spec, tmp_path)
    error = caught.value
    assert error.message == (
        f"tensorrt-rtx {rtx.version}: Cannot compile operation 'fc' for Turing (SM75): "
        "FP32 GEMM is not supported"
    )
    assert (error.node, error.dtype, error.blamed) == ("fc", "fp32", "7.5")
    assert error.refused_by == "builder"


def test_shapes_that_the_model_does_not_take(rtx: RuntimeInfo, tmp_path: Path) -> None:
    five_rows = {"x": Range((5, 4), (5, 4), (5, 4))}
    with pytest.raises(PlanError) as caught:
        plan(spec_of(four_rows_only(), tmp_path, rtx, profile=five_rows), tmp_path)
    assert "broadcast dimensions must be conformable" in caught.value.message
    assert caught.value.hint.startswith("the model does not take every shape of the profile")
    assert caught.value.refused_by == ""


def test_an_output_with_other_dims_than_declared(rtx: RuntimeInfo, tmp_path: Path) -> None:
    spec = spec_of(matmul(), tmp_path, rtx)
    assert isinstance(spec.model, OnnxModel)
    declared = (TensorSpec("z", "fp16", ("batch",)),)
    wrong = msgspec.structs.replace(spec.model, outputs=declared)
    with pytest.raises(PlanError, match=r"'z' has 1 dims, as the model declares it: .* it has 2"):
        plan(msgspec.structs.replace(spec, model=wrong), tmp_path)


def test_a_profile_that_tensorrt_refuses(rtx: RuntimeInfo, tmp_path: Path) -> None:
    shrinking = {"x": Range((4, 64), (2, 64), (1, 64))}
    with pytest.raises(PlanError, match=r"refuses the profile: .*MIN<=OPT<=MAX"):
        plan(spec_of(matmul(), tmp_path, rtx, profile=shrinking), tmp_path)


def test_a_full_disk(rtx: RuntimeInfo, tmp_path: Path) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    (folder := tmp_path / "out").mkdir()
    (folder / "model.sm86.plan").symlink_to(full)
    with pytest.raises(PlanError) as caught:
        plan(spec_of(matmul(), tmp_path, rtx), folder)
    assert caught.value.message == (
        f"the plan cannot be written to {folder}: No space left on device"
    )


_IN_PLANS = [
    name for name, row in DTYPES.items() if row.tensorrt and name not in ("fp8e8m0", "fp4e2m1")
]


@pytest.mark.parametrize("name", _IN_PLANS)
def test_each_data_type_of_an_input(name: str, rtx: RuntimeInfo, tmp_path: Path) -> None:
    ada = (Capability(8, 9),)
    spec = spec_of(identity(DTYPES[name].onnx), tmp_path, rtx, targets=ada)
    assert plan(spec, tmp_path).targets == ada


@pytest.mark.parametrize("path", sorted(LIGHT.glob("*.onnx")), ids=lambda path: path.stem)
def test_real_architectures_are_read(path: Path, rtx: RuntimeInfo) -> None:
    from trtbuild.plan.network import network_from_onnx, typed
    from trtbuild.plan.session import session

    loaded = session(rtx)
    parsed = network_from_onnx(loaded, describe(path), typed(loaded))
    assert parsed.network.num_layers > 10


def test_a_plan_is_the_same_bytes_in_every_process(rtx: RuntimeInfo, tmp_path: Path) -> None:
    """Same model, profile, options, targets and release: byte for byte the same plan."""
    targets = (Capability(8, 0), Capability(8, 9), Capability(12, 0))
    digests = set()
    for place in ("one", "two/elsewhere"):
        model = saved(convolution(TensorProto.FLOAT16, dims=2), tmp_path / place, place[:3])
        profile = profile_from_shapes(model.inputs, ShapeOptions(max_batch=4))
        spec = PlanSpec(model, profile, PlanOptions(), targets, rtx)
        with Pool() as pool:
            made = pool.start().call(
                "trtbuild.plan.build:plan", Plan, spec=spec, directory=tmp_path / place
            )
        digests.add(made.digest)
    digests |= {plan(spec, tmp_path).digest for _ in range(2)}
    assert len(digests) == 1


def test_warming_up_loads_the_runtime(rtx: RuntimeInfo) -> None:
    assert warm_up(rtx) == rtx.version


_CASES = LIGHT.parent


# What is left: opsets before 7, sequences, strings, fp64, shapes as inputs, Gradient.
@pytest.mark.parametrize(
    ("folder", "at_least"), [("pytorch-converted", 40), ("pytorch-operator", 15), ("simple", 3)]
)
def test_the_cases_of_the_onnx_package_build_or_say_why(
    folder: str, at_least: int, rtx: RuntimeInfo, tmp_path: Path
) -> None:
    built = []
    for path in sorted((_CASES / folder).glob("*/model.onnx")):
        try:
            model = describe(path)
            check_types(model)
            spec = PlanSpec(model, profile_from_shapes(model.inputs), PlanOptions(), A10, rtx)
            built.append(plan(spec, tmp_path).size_bytes)
        except TrtbuildError as error:
            assert "gave no reason" not in error.message
            assert "it gives no reason" not in error.message
    assert len(built) >= at_least
