from trtbuild.workers.pool import Pool
from trtbuild.workers.warm import WarmWorker

REMEMBER = "tests.workers.calls:remember"


def test_the_first_who_asks_gets_the_worker_that_did_the_call() -> None:
    with Pool() as pool:
        warm = WarmWorker(pool, "tests.workers.calls:hello", name="a")
        worker = warm.take()
        assert worker is not None
        assert worker.call(REMEMBER, list[int], value=1) == [1]
        assert warm.take() is None


def test_frameworks_that_do_not_load_give_no_worker() -> None:
    with Pool() as pool:
        assert WarmWorker(pool, "tests.workers.calls:refuse").take() is None
        assert WarmWorker(pool, "tests.workers.calls:bug").take() is None
        assert WarmWorker(pool, "tests.workers.calls:crash").take() is None


def test_a_pool_that_is_left_ends_it() -> None:
    with Pool() as pool:
        warm = WarmWorker(pool, "tests.workers.calls:sleep", seconds=60)
        started = warm._worker
    assert warm.take() is None
    assert started is not None
    assert started.process.poll() is not None
