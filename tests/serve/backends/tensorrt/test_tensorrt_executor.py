"""The executor on the real driver where there is a GPU, else on a stand-in for it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import pytest
from trtserve.backends.tensorrt.executor import TensorRtExecutor
from trtserve.errors import Kind, ServeError

from tests.cuda_driver import StandIn
from tests.serve.backends.tensorrt.checks import CHECKS, executor, one_tensor, run
from tests.serve.backends.tensorrt.stand_in import values
from trtbuild import cuda as layer
from trtbuild.cuda import Cuda
from trtbuild.device import gpus


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> StandIn | None:
    return None if gpus().gpus else StandIn(tmp_path_factory.mktemp("driver"))


@pytest.fixture
def cuda(stand_in: StandIn | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cuda]:
    if stand_in is not None:
        monkeypatch.setattr(layer, "LIBRARY", stand_in.path)
    yield Cuda()
    if stand_in is not None:
        gc.collect()
        assert stand_in.alive == 0, "something was not freed"


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
