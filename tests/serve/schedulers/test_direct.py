"""The default scheduler: one request a batch, in order."""

from trtserve.schedulers.direct import DirectScheduler

from tests.serve.schedulers.test_dynamic import request


def test_in_order_and_without_those_that_left() -> None:
    scheduler = DirectScheduler()
    requests = [request() for _ in range(4)]
    for each in requests:
        scheduler.add(each, 0)
    scheduler.cancel(requests[1])
    assert len(scheduler) == 3
    found = []
    while batch := scheduler.next_batch(0):
        found += batch.requests
    assert found == [requests[0], requests[2], requests[3]]
    assert [each.request for each in scheduler.dropped] == [requests[1]]
    assert scheduler.deadline() is None


def test_settle_takes_out_those_that_left_while_all_are_busy() -> None:
    scheduler = DirectScheduler()
    gone = request()
    scheduler.add(gone, 0)
    scheduler.cancel(gone)
    scheduler.settle(0)
    assert len(scheduler) == 0
    assert [each.request for each in scheduler.dropped] == [gone]
