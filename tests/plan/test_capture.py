import pytest

from trtbuild.errors import UsageError
from trtbuild.plan.capture import check_capturable


def test_models_that_wait_for_no_values_can_be_captured() -> None:
    check_capturable({"MatMul": 3, "com.acme::NonZero": 1})


def test_ops_that_wait_for_values_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        check_capturable({"NonZero": 1, "Loop": 2, "Add": 1})
    assert caught.value.message == (
        "--cuda-graphs: runs of this model cannot be captured, since Loop, NonZero wait for values "
        "from the GPU"
    )
    with pytest.raises(UsageError, match="since If waits for values"):
        check_capturable({"If": 1})
