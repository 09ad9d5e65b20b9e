import msgspec

from tests.plan.conftest import WatchedPool
from trtbuild.plan.runtimes import RuntimeInfo
from trtbuild.plan.warm import WarmWorker


def test_the_first_who_asks_gets_the_worker(rtx: RuntimeInfo, pool: WatchedPool) -> None:
    warm = WarmWorker(rtx, pool)
    worker = warm.take()
    assert worker is pool.started[0]
    assert worker.call("trtbuild.plan.build:warm_up", str, runtime=rtx) == rtx.version
    assert warm.take() is None


def test_a_runtime_that_does_not_load_gives_no_worker(rtx: RuntimeInfo, pool: WatchedPool) -> None:
    broken = msgspec.structs.replace(rtx, module="tensorrt_rtx_of_another_world")
    assert WarmWorker(broken, pool).take() is None


def test_a_pool_that_is_left_ends_it(rtx: RuntimeInfo) -> None:
    pool = WatchedPool()
    with pool:
        warm = WarmWorker(rtx, pool)
    assert warm.take() is None
    assert pool.started[0].process.poll() is not None
