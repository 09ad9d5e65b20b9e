"""Schedulers as clients see them: configs of real models, and what runs when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest

from tests.serve.conftest import Running
from tests.serve.gated import Asking, Gate, answer, put_gated, refusal, until
from tests.serve.models import CONFIG_16, identity, put
from trtbuild.errors import RepositoryError

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
LEVELS = """dynamic_batching { priority_levels: 2 default_priority_level: 2
  default_queue_policy { max_queue_size: 1 }
  priority_queue_policy { key: 1 value { max_queue_size: 2 } } }"""
TEN_MINUTES = "default_timeout_microseconds: 600000000"
QUEUE = "dynamic_batching { default_queue_policy { %s } }"
MODELS = {
    "levels": LEVELS,
    "limited": QUEUE % "max_queue_size: 1",
    "rejecting": QUEUE % "default_timeout_microseconds: 100000",
    "delaying": QUEUE % f"{TEN_MINUTES} allow_timeout_override: true timeout_action: DELAY",
    "shortened": QUEUE % f"{TEN_MINUTES} allow_timeout_override: true",
    "not_shortened": QUEUE % TEN_MINUTES,
    "ordered": "dynamic_batching { preserve_ordering: true } instance_group [{ count: 2 }]",
    "unordered": "dynamic_batching {} instance_group [{ count: 2 }]",
}


class Served:
    """A server of gated models, and a channel to it."""

    def __init__(self, server: Running, gates: dict[str, Gate]) -> None:
        self.server, self.gates = server, gates
        self._asking = Asking(server.grpc)
        self.ask = self._asking.ask

    def until_waiting(self, model: str, count: int) -> None:
        runner = self.server.server.models.version(model).runner
        until(lambda: runner.waiting == count)

    def close(self) -> None:
        self._asking.close()


@pytest.fixture(scope="module")
def served(
    start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    repository = tmp_path_factory.mktemp("repository")
    gates = {name: put_gated(repository, name, config) for name, config in MODELS.items()}
    gates["ragged"] = put_gated(
        repository, "ragged", "dynamic_batching {}", max_batch_size=8,
        input_="allow_ragged_batch: true",
    )  # fmt: skip
    gates["even"] = put_gated(repository, "even", "dynamic_batching {}", max_batch_size=8)
    gates["unbatched"] = put_gated(
        repository, "unbatched", QUEUE % "max_queue_size: 1", max_batch_size=0
    )
    served = Served(start(repository, http_port=-1, metrics_port=-1), gates)
    yield served
    served.close()


def test_higher_priorities_run_first_and_each_level_has_its_limit(served: Served) -> None:
    gate = served.gates["levels"]
    with gate.held(1):
        running = served.ask("levels", 1)
        gate.until_running(1)
        low = served.ask("levels", 20)  # no priority: the default level, 2
        served.until_waiting("levels", 1)
        high = [served.ask("levels", value, priority=1) for value in (10, 11)]
        served.until_waiting("levels", 3)
        for priority in (0, 1, 2, 9):  # 9 is none of the levels: the default, as in Triton
            refused = served.ask("levels", 30, priority=priority)
            assert refusal(refused) == (UNAVAILABLE, "Exceeds maximum queue size")
    assert [answer(each) for each in (running, low, *high)] == [[1], [20], [10], [11]]
    assert gate.batches == [[1], [10], [11], [20]]


@pytest.mark.parametrize("model", ["limited", "unbatched"])
def test_a_full_queue_refuses_at_once(served: Served, model: str) -> None:
    gate = served.gates[model]
    shape = (1,) if model == "unbatched" else (1, 1)
    with gate.held(1):
        running = served.ask(model, 1, shape=shape)
        gate.until_running(1)
        waiting = served.ask(model, 2, shape=shape)
        served.until_waiting(model, 1)
        refused = served.ask(model, 3, shape=shape)
        assert refusal(refused) == (UNAVAILABLE, "Exceeds maximum queue size")
    assert [answer(running), answer(waiting)] == [[1], [2]]


def test_what_has_waited_too_long_is_refused_while_all_are_busy(served: Served) -> None:
    gate = served.gates["rejecting"]
    with gate.held(1):
        running = served.ask("rejecting", 1)
        gate.until_running(1)
        late = served.ask("rejecting", 2)
        assert refusal(late) == (UNAVAILABLE, "Request timeout expired")
    assert answer(running) == [1]


def test_a_request_may_shorten_its_timeout_where_the_config_lets_it(served: Served) -> None:
    for model in ("shortened", "not_shortened"):
        gate = served.gates[model]
        with gate.held(1):
            running = served.ask(model, 1)
            gate.until_running(1)
            asked = served.ask(model, 2, timeout=1)
            if model == "shortened":
                assert refusal(asked) == (UNAVAILABLE, "Request timeout expired")
            else:
                served.until_waiting(model, 1)
        assert answer(running) == [1]
        assert model == "shortened" or answer(asked) == [2]


def test_delayed_requests_run_after_all_others(served: Served) -> None:
    gate = served.gates["delaying"]
    with gate.held(1):
        running = served.ask("delaying", 1)
        gate.until_running(1)
        late = served.ask("delaying", 2, timeout=1)
        served.until_waiting("delaying", 1)
        punctual = served.ask("delaying", 3)
        served.until_waiting("delaying", 2)
    assert [answer(each) for each in (running, late, punctual)] == [[1], [2], [3]]
    assert gate.batches == [[1], [3], [2]]


def test_answers_keep_the_order_of_requests_over_several_instances(served: Served) -> None:
    gate, heard = served.gates["ordered"], list[int]()
    with gate.held(1):
        slow = served.ask("ordered", 1)
        gate.until_running(1)
        quick = [served.ask("ordered", value) for value in (2, 3)]
        for number, future in enumerate((slow, *quick), 1):
            future.add_done_callback(lambda _, number=number: heard.append(number))
        gate.until_running(3)  # so the answer to 2 is there
        assert heard == []
    assert [answer(each) for each in (slow, *quick)] == [[1], [2], [3]]
    until(lambda: len(heard) == 3)
    assert heard == [1, 2, 3]


def test_without_that_nobody_waits_for_a_slower_one(served: Served) -> None:
    gate = served.gates["unordered"]
    with gate.held(1):
        slow = served.ask("unordered", 1)
        gate.until_running(1)
        assert answer(served.ask("unordered", 2)) == [2]
        assert not slow.done()
    assert answer(slow) == [1]


def test_a_client_that_leaves_holds_up_nobody_behind_it(served: Served) -> None:
    gate = served.gates["ordered"]
    with gate.held(101), gate.held(102):
        running = [served.ask("ordered", value) for value in (101, 102)]
        gate.until_running(101)
        gate.until_running(102)
        leaving = served.ask("ordered", 103)
        served.until_waiting("ordered", 1)
        last = served.ask("ordered", 104)
        served.until_waiting("ordered", 2)
        leaving.cancel()
        served.until_waiting("ordered", 1)
    assert [answer(each) for each in (*running, last)] == [[101], [102], [104]]


@pytest.mark.parametrize(("model", "together"), [("ragged", True), ("even", False)])
def test_shapes_that_differ_share_a_batch_where_the_config_says_so(
    served: Served, model: str, together: bool
) -> None:
    gate = served.gates[model]
    with gate.held(1):
        running = served.ask(model, 1)
        gate.until_running(1)
        others = [served.ask(model, 2, 2, 2), served.ask(model, 3, 3)]
        served.until_waiting(model, 2)
    assert [answer(each) for each in (running, *others)] == [[1], [2, 2, 2], [3, 3]]
    assert gate.batches == ([[1], [2, 3]] if together else [[1], [2], [3]])


@pytest.mark.parametrize(
    ("config", "says"),
    [
        (CONFIG_16.replace("dims: [16] }\noutput", "dims: [16] allow_ragged_batch: true }\noutput"),
         "'allow_ragged_batch' of input 'INPUT0' is served for Python models only"),
        (CONFIG_16 + 'batch_input { kind: BATCH_ELEMENT_COUNT target_name: "COUNT"'
         ' data_type: TYPE_FP32 source_input: "INPUT0" }', "'batch_input' is not served"),
        (CONFIG_16 + 'batch_output { target_name: "OUTPUT0" source_input: "INPUT0"'
         " kind: BATCH_SCATTER_WITH_INPUT_SHAPE }", "'batch_output' is not served"),
        (CONFIG_16 + "dynamic_batching { preserve_ordering: true priority_levels: 2"
         " default_priority_level: 1 }", "only one priority level is allowed"),
        (CONFIG_16 + "dynamic_batching { preserve_ordering: true default_queue_policy {"
         " timeout_action: DELAY default_timeout_microseconds: 1 } }", "can not have DELAY"),
        (CONFIG_16 + "sequence_batching {}", "'sequence_batching' is not served"),
        (CONFIG_16 + "ensemble_scheduling {}", "'ensemble_scheduling' is not served"),
    ],
)  # fmt: skip
def test_what_is_not_served_is_refused_by_its_name(
    start: Callable[..., Running], tmp_path: Path, config: str, says: str
) -> None:
    put(tmp_path, "m", identity(), config)
    with pytest.raises(RepositoryError, match=says):
        start(tmp_path)
