"""The messages are TensorRT's own, as its releases wrote them."""

import pytest

from trtbuild.capability import Capability
from trtbuild.plan.words import Refusal, bare, is_usage, parser_reason, refusal_from_log

_MYELIN = (
    "IBuilder::buildSerializedNetwork: Error Code 1: Myelin ({}. "
    "In compileGraph at /_src/optimizer/myelin/codeGenerator.cpp:2012)"
)
_NO_DRIVER = (
    "[checkMacros.cpp::catchCudaError::250] Error Code 1: Cuda Runtime (In catchCudaError at "
    "/_src/common/dispatch/checkMacros.cpp:250 (cudaError 35: CUDA driver version is "
    "insufficient for CUDA runtime version))"
)


@pytest.mark.parametrize(
    ("message", "refusal"),
    [
        (
            _MYELIN.format(
                "[pass.cpp:337: check_turing_op_compatibility] Cannot compile operation 'fc' for "
                "Turing (SM75): FP32 GEMM is not supported"
            ),
            Refusal(
                "Cannot compile operation 'fc' for Turing (SM75): FP32 GEMM is not supported",
                "fc",
                ("fp32",),
                (Capability(7, 5),),
            ),
        ),
        (
            _MYELIN.format(
                "[pass.cpp:1500: run_passes] Cannot compile for target(s) sm75, sm80, sm120, "
                "because the model contains HW-specific datatypes: b16, fp8_e4m3"
            ),
            Refusal(
                "Cannot compile for target(s) sm75, sm80, sm120, because the model contains "
                "HW-specific datatypes: b16, fp8_e4m3",
                "",
                ("bf16", "fp8e4m3fn"),
                (Capability(7, 5), Capability(8, 0), Capability(12, 0)),
            ),
        ),
        (
            "10: [optimizer.cpp::computeCosts::3728] Error Code 10: Internal Error (Could not "
            "find any implementation for node conv1 + relu1.)",
            Refusal(
                "Could not find any implementation for node conv1 + relu1", "conv1 + relu1", (), ()
            ),
        ),
        ("a new kind of message", Refusal("a new kind of message", "", (), ())),
    ],
)
def test_a_builders_error_is_taken_apart(message: str, refusal: Refusal) -> None:
    assert refusal_from_log([message]) == refusal
    assert refusal_from_log([_NO_DRIVER, message, _NO_DRIVER]) == refusal


@pytest.mark.parametrize("log", [[], [_NO_DRIVER]])
def test_a_silent_failure(log: list[str]) -> None:
    assert refusal_from_log(log) == Refusal("TensorRT gave no reason", "", (), ())


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (
            "Assertion failed: creator && getPluginCreatorVersion(creator) == "
            "CreatorVersion::kV3ONE: NonZero plugin creator version 1 was not found in plugin "
            "registry.",
            "NonZero plugin creator version 1 was not found in plugin registry",
        ),
        ('creator && "Plugin not found"', "Plugin not found"),
        ("false", ""),
        ("", ""),
        (
            "Invalid Node - add\nITensor::getDimensions: Error Code 4: Shape Error (broadcast "
            f"dimensions must be conformable In op at /_src/s.cpp:2699)\n{_NO_DRIVER}",
            "broadcast dimensions must be conformable",
        ),
    ],
)
def test_a_parsers_error_without_its_cpp(description: str, reason: str) -> None:
    assert parser_reason(description) == reason


def test_errors_about_shapes_are_no_targets_fault() -> None:
    usage = "IBuilder::x: Error Code 4: API Usage Error (Optimization profile 0 is missing values)"
    assert is_usage(usage)
    assert not is_usage("x: Error Code 6: API Usage Error (Unable to load library: libnvinfer_lean")
    assert not is_usage(_MYELIN.format("FP32 GEMM is not supported"))
    assert bare(usage) == "Optimization profile 0 is missing values"
