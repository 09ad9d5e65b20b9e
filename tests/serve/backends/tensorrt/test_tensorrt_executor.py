"""The executor on the real driver where there is a GPU, else on a stand-in for it."""

from __future__ import annotations

import gc
from collections.abc import Callable

import numpy as np
import pytest
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.errors import Kind, ServeError

from tests.cuda_driver import StandIn
from tests.serve.backends.tensorrt.checks import CHECKS, executor, one_tensor, run
from tests.serve.backends.tensorrt.stand_in import values
from trtbuild.cuda import Cuda
from trtbuild.errors import CudaError


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_an_executor(check: Callable[[Cuda], None], cuda: Cuda) -> None:
    check(cuda)


def test_a_gpu_that_fails_is_an_internal_error_with_the_drivers_words(
    cuda: Cuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance: TensorRtExecutor = executor(cuda, one_tensor(cuda))
    with monkeypatch.context() as patch:
        patch.setattr(instance._slots[0].done, "_event", None)  # which no driver waits for
        with pytest.raises(ServeError, match=r"the GPU failed: cuEvent\w+ answered") as caught:
            run(instance, values((2, 4)))
    assert caught.value.kind is Kind.INTERNAL
    instance.unload()


def test_an_instance_that_cannot_be_made_leaves_nothing(cuda: Cuda) -> None:
    handle = one_tensor(cuda)
    handle.create_execution_context = lambda _=None: None  # type: ignore[method-assign,assignment]
    with pytest.raises(ServeError, match="unable to create TensorRT execution context"):
        executor(cuda, handle)


def test_where_memory_ends_there_are_fewer_batches_in_flight_or_none(
    cuda: Cuda, stand_in: StandIn | None
) -> None:
    """Wherever it ends: what is made answers right, and what is not leaves nothing."""
    if stand_in is None:
        pytest.skip("a GPU's memory ends where it will")
    depths = []
    for allocations in range(60):
        stand_in.full_after(allocations)
        try:
            instance = executor(cuda, one_tensor(cuda))
        except CudaError:
            depths.append(0)
            continue
        finally:
            stand_in.full_after(-1)
        depths.append(instance.depth)
        given = values((5, 4), seed=allocations)
        np.testing.assert_array_equal(run(instance, given), given)
        instance.unload()
        gc.collect()
        assert stand_in.alive == 0, f"of {allocations} allocations something is left"
    assert depths == sorted(depths)
    assert set(depths) == {0, 1, 2, 3}
