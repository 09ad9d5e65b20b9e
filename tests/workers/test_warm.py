from trtbuild.workers.pool import Pool
from trtbuild.workers.warm import WarmWorker

REMEMBER = "tests.workers.calls:remember"


def test_the_first_who_asks_gets_the_worker_that_did_the_call() -> None:
    with Pool() as pool:
        warm = WarmWorker(pool, {}, "tests.workers.calls:hello", name="a")
        worker = warm.take({})
        assert worker is not None
        assert worker.call(REMEMBER, list[int], value=1) == [1]
        assert warm.take({}) is None


def test_frameworks_that_do_not_load_give_no_worker() -> None:
    with Pool() as pool:
        assert WarmWorker(pool, {}, "tests.workers.calls:refuse").take({}) is None
        assert WarmWorker(pool, {}, "tests.workers.calls:bug").take({}) is None
        assert WarmWorker(pool, {}, "tests.workers.calls:crash").take({}) is None


def test_a_pool_that_is_left_ends_it() -> None:
    with Pool() as pool:
        warm = WarmWorker(pool, {}, "tests.workers.calls:sleep", seconds=60)
        started = warm._worker
    assert warm.take({}) is None
    assert started is not None
    assert started.process.poll() is not None


def test_who_needs_another_gpu_starts_a_worker_of_its_own() -> None:
    first, second = ({"CUDA_VISIBLE_DEVICES": number} for number in "01")
    with Pool() as pool:
        warm = WarmWorker(pool, first, "tests.workers.calls:hello", name="a")
        assert warm.take(second) is None
        assert warm.take({}) is None
        assert warm.take(first) is not None
