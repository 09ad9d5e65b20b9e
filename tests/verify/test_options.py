from trtbuild.verify.options import (
    DEFAULTS,
    Tolerance,
    VerifyOptions,
    precision_of_weak,
    tolerance_of,
)


def test_the_tolerance_follows_the_precision() -> None:
    assert tolerance_of(VerifyOptions(), "fp32") == DEFAULTS["fp32"]
    coarser = [DEFAULTS[precision].atol for precision in ("fp32", "fp16", "bf16", "fp8")]
    assert coarser == sorted(coarser)


def test_what_the_user_says_wins_and_an_atol_is_absolute() -> None:
    assert tolerance_of(VerifyOptions(rtol=0.5), "fp16") == Tolerance(0.5, 1e-2, True, 2.0**-14)
    assert tolerance_of(VerifyOptions(atol=0.0), "fp16") == Tolerance(1e-2, 0.0, False)


def test_a_plan_that_may_compute_coarsely_is_held_to_the_coarsest() -> None:
    assert precision_of_weak(()) is None
    assert precision_of_weak(("fp16",)) == "fp16"
    assert precision_of_weak(("fp16", "int8", "bf16")) == "fp8"
