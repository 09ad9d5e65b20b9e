"""The executor on the real driver where there is a GPU, else on a stand-in for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.errors import Kind, ServeError

from tests.serve.backends.tensorrt.checks import CHECKS, executor, one_tensor, run
from tests.serve.backends.tensorrt.stand_in import values
from trtbuild.cuda import Cuda


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
