"""preserve_ordering: answers leave in the order in which requests were queued."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trtserve.errors import Kind, ServeError
from trtserve.request import Form, InferRequest, InferResponse
from trtserve.schedulers.ordering import Order, in_order

from tests.serve.schedulers.test_dynamic import request

Heard = list[tuple[InferRequest, InferResponse | ServeError]]
FAILED = ServeError(Kind.UNAVAILABLE, "Request timeout expired")


def answer(number: int) -> InferResponse:
    return InferResponse(Form(str(number), "1", ()), ())


def listening(heard: Heard) -> InferRequest:
    made = request()
    made.reply = lambda *both: heard.append(both)
    return made


@given(st.permutations(range(6)), st.sets(st.integers(0, 5)))
def test_every_answer_comes_once_and_in_order(finished: list[int], failing: set[int]) -> None:
    heard: Heard = []
    order = Order()
    requests = [listening(heard) for _ in finished]
    for each in requests:
        order.enter(each)
    for count, number in enumerate(finished, 1):
        requests[number].answer(FAILED if number in failing else answer(number))
        done = set(finished[:count])
        first_missing = min(set(range(6)) - done, default=6)
        assert [each for each, _ in heard] == requests[:first_missing]
    expected = [FAILED if number in failing else answer(number) for number in range(6)]
    assert [each for _, each in heard] == expected
    assert len(order) == 0


def test_an_answer_that_waits_holds_no_tensors_of_its_request() -> None:
    """Clients that left count against no limit any more, and their turn may be long in coming."""
    order = Order()
    first, second = listening([]), listening([])
    for each in (first, second):
        each.data = [b"tensor"]
        order.enter(each)
    second.answer(FAILED)
    assert (first.data, second.data) == ([b"tensor"], ())


def test_the_answer_of_a_client_that_left_is_not_kept() -> None:
    heard: Heard = []
    order = Order()
    first, second = listening(heard), listening(heard)
    order.enter(first)
    order.enter(second)
    second.cancelled = True
    second.answer(answer(1))
    first.answer(answer(0))
    assert [each for each, _ in heard] == [first, second]
    assert isinstance(heard[1][1], ServeError)


def test_one_that_is_refused_takes_no_turn() -> None:
    heard: Heard = []
    full = False

    def submit(_: InferRequest) -> None:
        if full:
            raise FAILED

    ordered = in_order(submit)
    first, refused, last = (listening(heard) for _ in range(3))
    ordered(first)
    full = True
    with pytest.raises(ServeError):
        ordered(refused)
    full = False
    ordered(last)
    last.answer(answer(1))
    assert heard == []
    first.answer(answer(0))
    assert [each for each, _ in heard] == [first, last]


def test_an_answer_may_bring_the_next_request() -> None:
    """A pipelined HTTP request is read when the answer before it has left."""
    heard: Heard = []
    order = Order()
    first, second, third = (listening(heard) for _ in range(3))
    order.enter(first)
    order.enter(second)

    def reply(of: InferRequest, found: InferResponse | ServeError) -> None:
        heard.append((of, found))
        order.enter(third)

    first_turn = request()
    first_turn.reply = reply
    order.enter(first_turn)
    for number, each in enumerate((second, first_turn, first)):
        each.answer(answer(number))
    assert len(order) == 1
    third.answer(answer(3))
    assert [each for each, _ in heard] == [first, second, first_turn, third]
